package chatpb;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** A core with the schemas that it was given. For one thread at a time. */
final class Engine {
  /** Schemas that an engine keeps, the ones last used. A schema that comes back is compiled again. */
  private static final int MAX_SCHEMAS = 32;

  /** Some work with an engine. */
  interface Work<T> {
    T with(Engine engine) throws ChatpbException;
  }

  private record Handles(long schema, long codec) {}

  final Core core = Cores.create();
  private final Map<Codec, Handles> schemas =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Codec, Handles> eldest) {
          if (size() <= MAX_SCHEMAS) {
            return false;
          }
          core.codecFree(eldest.getValue().codec);
          core.schemaFree(eldest.getValue().schema);
          return true;
        }
      };
  /** The codec that was asked for last, which nobody frees: the schemas that go are those that were not used for longest. */
  private Codec lastCodec;

  private Handles lastHandles;
  private volatile boolean isBroken;

  /** Returns whether more work can be given to this engine: it has met no defect, and is not large. */
  boolean isFit() {
    return !isBroken && core.isSmall();
  }

  boolean isBroken() {
    return isBroken;
  }

  /** Does some work. What a core does not contain breaks the engine. */
  <T> T run(Work<T> work) throws ChatpbException {
    if (isBroken) {
      throw new InternalException("an earlier defect ended what this object stands for", null);
    }
    try {
      return work.with(this);
    } catch (ChatpbException | SchemaException error) {
      throw error;
    } catch (InternalException error) {
      isBroken = !core.containsDefects();
      throw error;
    } catch (Throwable error) {
      isBroken = !core.containsDefects();
      throw new InternalException("a defect of chatpb, or no memory or stack left", error);
    }
  }

  long codec(Codec codec) throws ChatpbException {
    return handles(codec).codec;
  }

  long schema(Codec codec) throws ChatpbException {
    return handles(codec).schema;
  }

  private Handles handles(Codec codec) throws ChatpbException {
    if (codec != lastCodec) {
      Handles known = schemas.get(codec);
      lastHandles = known == null ? newHandles(codec) : known;
      lastCodec = codec;
    }
    return lastHandles;
  }

  private Handles newHandles(Codec codec) throws ChatpbException {
    long schema = core.schemaNew(codec.descriptors(), codec.typeName().getBytes(StandardCharsets.UTF_8));
    Handles handles = new Handles(schema, core.codecNew(schema));
    schemas.put(codec, handles);
    return handles;
  }
}
