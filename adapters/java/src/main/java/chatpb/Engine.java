package chatpb;

import com.dylibso.chicory.runtime.ByteArrayMemory;
import com.dylibso.chicory.runtime.ExportFunction;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.Memory;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.ToIntFunction;

/**
 * One instance of the core, which is a WebAssembly module compiled to Java's bytecode, with memory of its own. For one thread at a
 * time. adapters/abi/README.md says how the module is called, and chatpb.h what each function does.
 */
final class Engine {
  private static final int OK = 0;
  private static final int JSON_ERROR = 1;
  private static final int WIRE_ERROR = 2;
  private static final int DESCRIPTOR_ERROR = 3;
  private static final int SCHEMA_ERROR = 4;
  private static final int CONTRACT_ERROR = 8;
  private static final int END = 9;

  /** Where the fields of a result are, and how many bytes it has. */
  private static final int DATA = 0;

  private static final int SIZE = 8;
  private static final int PATH = 16;
  private static final int REASON = 32;
  private static final int LINE = 48;
  private static final int COLUMN = 56;
  private static final int OFFSET = 64;
  private static final int CODE = 72;
  private static final int RESULT_SIZE = 80;

  /** Bytes of an input block that are kept from one call to the next. */
  private static final int MAX_KEPT_INPUT = 1 << 20;

  /** Bytes of an instance that is kept. Its memory never shrinks. */
  private static final int MAX_KEPT_MEMORY = 64 << 20;

  private static final int FIRST_INPUT = 1 << 14;

  /** Schemas that an instance keeps, the ones last used. A schema that comes back is compiled again. */
  private static final int MAX_SCHEMAS = 32;

  /** Some work with an engine. */
  interface Work<T> {
    T with(Engine engine) throws ChatpbException;
  }

  private record Handles(int schema, int codec) {}

  final ExportFunction jsonToWire;
  final ExportFunction wireToJson;
  final ExportFunction validate;
  final ExportFunction compactStream;
  final ExportFunction expandStream;
  final ExportFunction accumulatorNew;
  final ExportFunction accumulatorFree;
  final ExportFunction accumulatorAdd;
  final ExportFunction accumulatorJson;
  private final ExportFunction splitterNew;
  private final ExportFunction splitterFree;
  private final ExportFunction splitterNext;
  private final ExportFunction schemaNew;
  private final ExportFunction schemaFree;
  private final ExportFunction codecNew;
  private final ExportFunction codecFree;
  private final ExportFunction alloc;
  private final ExportFunction free;

  private final Memory memory;
  private final int result;
  private final Map<Codec, Handles> schemas =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Codec, Handles> eldest) {
          if (size() <= MAX_SCHEMAS) {
            return false;
          }
          codecFree.apply(eldest.getValue().codec);
          schemaFree.apply(eldest.getValue().schema);
          return true;
        }
      };
  private int input;
  private int capacity;
  private volatile boolean isBroken;

  Engine() {
    Instance instance =
        Instance.builder(CoreModule.load())
            .withMachineFactory(CoreModule::create)
            .withMemoryFactory(ByteArrayMemory::new)
            .build();
    memory = instance.memory();
    jsonToWire = instance.export("chatpb_json_to_wire");
    wireToJson = instance.export("chatpb_wire_to_json");
    validate = instance.export("chatpb_validate");
    compactStream = instance.export("chatpb_compact_stream");
    expandStream = instance.export("chatpb_expand_stream");
    accumulatorNew = instance.export("chatpb_accumulator_new");
    accumulatorFree = instance.export("chatpb_accumulator_free");
    accumulatorAdd = instance.export("chatpb_accumulator_add");
    accumulatorJson = instance.export("chatpb_accumulator_json");
    splitterNew = instance.export("chatpb_splitter_new");
    splitterFree = instance.export("chatpb_splitter_free");
    splitterNext = instance.export("chatpb_splitter_next");
    schemaNew = instance.export("chatpb_schema_new");
    schemaFree = instance.export("chatpb_schema_free");
    codecNew = instance.export("chatpb_codec_new");
    codecFree = instance.export("chatpb_codec_free");
    alloc = instance.export("chatpb_alloc");
    free = instance.export("chatpb_free");
    result = allocate(RESULT_SIZE);
  }

  /** Returns whether more work can be given to this instance: it has met no defect, and is not large. */
  boolean isFit() {
    return !isBroken && memory.pages() <= MAX_KEPT_MEMORY / Memory.PAGE_SIZE;
  }

  boolean isBroken() {
    return isBroken;
  }

  /** Does some work. After a trap, or the end of the stack in the middle of a call, an instance is in no known state. */
  <T> T run(Work<T> work) throws ChatpbException {
    if (isBroken) {
      throw new InternalException("an earlier defect ended what this object stands for", null);
    }
    try {
      return work.with(this);
    } catch (ChatpbException | SchemaException error) {
      throw error;
    } catch (InternalException error) {
      isBroken = true;
      throw error;
    } catch (Throwable error) {
      isBroken = true;
      throw new InternalException("a defect of chatpb, or no memory or stack left", error);
    }
  }

  int codec(Codec codec) {
    return handles(codec).codec;
  }

  int schema(Codec codec) {
    return handles(codec).schema;
  }

  private Handles handles(Codec codec) {
    Handles known = schemas.get(codec);
    if (known != null) {
      return known;
    }
    byte[] name = codec.typeName().getBytes(StandardCharsets.UTF_8);
    byte[] set = codec.descriptors();
    int size = set == null ? 0 : set.length;
    reserve(name.length + size);
    memory.write(input, name);
    if (size > 0) {
      memory.write(input + name.length, set);
    }
    // A null pointer stands for the contract's own descriptors.
    int start = set == null ? 0 : input + name.length;
    int schema = made(schemaNew.apply(start, size, input, name.length, result));
    Handles handles = new Handles(schema, (int) codecNew.apply(schema)[0]);
    schemas.put(codec, handles);
    return handles;
  }

  private int allocate(int size) {
    int block = (int) alloc.apply(size)[0];
    if (block == 0) {
      throw new InternalException("no memory for " + size + " bytes", null);
    }
    return block;
  }

  private void reserve(int size) {
    if (size > capacity) {
      int more = Math.max(size, Math.max(FIRST_INPUT, Math.min(2 * capacity, MAX_KEPT_INPUT)));
      release();
      input = allocate(more);
      capacity = more;
    }
  }

  private void release() {
    free.apply(input, capacity);
    input = 0;
    capacity = 0;
  }

  /** Calls a function with an input. Throws what it reports. */
  void call(ExportFunction function, int handle, byte[] data, int options) throws ChatpbException {
    reserve(data.length);
    memory.write(input, data);
    int code = (int) function.apply(handle, input, data.length, options, result)[0];
    if (capacity > MAX_KEPT_INPUT) {
      release();
    }
    check(code);
  }

  /** Calls a function without an input, and returns whether it has a result, which its end is not. */
  boolean next(ExportFunction function, int handle) throws ChatpbException {
    int code = (int) function.apply(handle, result)[0];
    if (code == END) {
      return false;
    }
    check(code);
    return true;
  }

  /** Calls a function with an input, and returns the data of its result. */
  byte[] convert(ToIntFunction<Engine> handle, ExportFunction function, byte[] data, int options) throws ChatpbException {
    call(function, handle.applyAsInt(this), data, options);
    return bytes();
  }

  /** Gives each chunk of a completion to a consumer. */
  void split(Codec completion, Codec chunk, byte[] wire, int characters, int options, Consumer<byte[]> each)
      throws ChatpbException {
    int from = schema(completion);
    int to = schema(chunk);
    reserve(wire.length);
    memory.write(input, wire);
    long[] splitter = splitterNew.apply(from, to, input, wire.length, characters, options, result);
    if ((int) splitter[0] == 0) {
      check(memory.readInt(result + CODE));
    }
    int handle = made(splitter);
    while (next(splitterNext, handle)) {
      each.accept(bytes());
    }
    splitterFree.apply(handle);
  }

  private void check(int code) throws ChatpbException {
    switch (code) {
      case OK -> {}
      case JSON_ERROR -> throw ChatpbException.json(text(PATH), number(LINE), number(COLUMN), number(OFFSET), text(REASON));
      case WIRE_ERROR -> throw ChatpbException.wire(text(PATH), number(OFFSET), text(REASON));
      case CONTRACT_ERROR -> throw ChatpbException.contract(Json.violations(text(DATA)));
      default -> throw new InternalException("a call ended with code " + code + ": " + text(REASON), null);
    }
  }

  private int made(long[] handle) {
    if ((int) handle[0] != 0) {
      return (int) handle[0];
    }
    int code = memory.readInt(result + CODE);
    if (code == DESCRIPTOR_ERROR || code == SCHEMA_ERROR) {
      throw new SchemaException(text(REASON));
    }
    throw new InternalException("a call ended with code " + code + ": " + text(REASON), null);
  }

  private long number(int field) {
    return memory.readLong(result + field);
  }

  private String text(int field) {
    byte[] bytes = bytes(field);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private byte[] bytes(int field) {
    return memory.readBytes((int) number(field), (int) number(field + SIZE));
  }

  /** Returns a copy of the data of the last result. */
  byte[] bytes() {
    return bytes(DATA);
  }
}
