package chatpb;

import java.lang.ref.Cleaner;
import java.util.Arrays;
import java.util.Objects;

/**
 * Puts the chunks of a stream together: takes them one by one, and returns the completion so far at any moment. A chunk that is
 * refused adds nothing. Several threads may use one, in turns.
 */
public final class Accumulator {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Engines.Shared shared;
  private final long handle;
  private final int flags;
  private final Option[] nonfinite;

  /**
   * Makes an accumulator without chunks.
   *
   * @param options NONFINITE, SKIP_UNKNOWN_FIELDS.
   */
  public Accumulator(Option... options) {
    flags = Option.flags(options, Option.TO_ACCUMULATE);
    boolean allows = Arrays.asList(options).contains(Option.NONFINITE);
    nonfinite = allows ? new Option[] {Option.NONFINITE} : new Option[0];
    Codec chunk = Codec.of(Chatpb.CHUNK);
    shared = Engines.shared();
    try {
      handle = shared.run(engine -> engine.core.accumulatorNew(engine.schema(chunk)));
    } catch (ChatpbException error) {
      throw new InternalException(error.getMessage(), error);
    }
    CLEANER.register(this, new Freeing(shared, handle));
  }

  /** Frees an accumulator in its engine. It does not refer to the object, which would never go otherwise. */
  private record Freeing(Engines.Shared shared, long handle) implements Runnable {
    @Override
    public void run() {
      if (!shared.isBroken()) {
        try {
          shared.run(
              engine -> {
                engine.core.accumulatorFree(handle);
                return null;
              });
        } catch (ChatpbException error) {
          throw new InternalException(error.getMessage(), error);
        }
      }
    }
  }

  /** Adds the next chunk, given its JSON text. Throws JSON or WIRE. */
  public void addJson(String json) throws ChatpbException {
    addWire(Codec.of(Chatpb.CHUNK).jsonToWire(json, nonfinite));
  }

  /** Adds the next chunk, given its JSON text in UTF-8. Throws JSON or WIRE. */
  public void addJson(byte[] json) throws ChatpbException {
    addWire(Codec.of(Chatpb.CHUNK).jsonToWire(json, nonfinite));
  }

  /** Adds the next chunk, given its wire bytes. Throws WIRE. */
  public void addWire(byte[] wire) throws ChatpbException {
    Objects.requireNonNull(wire, "wire");
    shared.run(
        engine -> {
          engine.core.accumulatorAdd(handle, wire, flags);
          return null;
        });
  }

  /** Returns the wire bytes of the completion so far. It takes time by its size. */
  public byte[] toWire() throws ChatpbException {
    byte[] json = shared.run(engine -> engine.core.accumulatorJson(handle));
    return Codec.of(Chatpb.COMPLETION).jsonToWire(json, nonfinite);
  }

  /** Returns the JSON text of the completion so far. It takes time by its size. */
  public String toJson() throws ChatpbException {
    return Codec.of(Chatpb.COMPLETION).wireToJson(toWire(), nonfinite);
  }
}
