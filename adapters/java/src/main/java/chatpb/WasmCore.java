package chatpb;

import com.dylibso.chicory.runtime.ByteArrayMemory;
import com.dylibso.chicory.runtime.ExportFunction;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.Memory;
import com.dylibso.chicory.wasm.Parser;
import com.dylibso.chicory.wasm.WasmModule;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * One instance of the core, which is a WebAssembly module compiled to Java's bytecode, with memory of its own.
 * adapters/abi/README.md says how the module is called. It starts with the memory that PreparedMemory has.
 */
final class WasmCore implements Core {
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

  /** The module. It was validated when it was compiled: to do so again takes as long as the rest of the start. */
  private static final class Module {
    static final WasmModule MODULE =
        Parser.builder().withValidation(false).build().parse(() -> resource("CoreModule.meta"));
  }

  private final Instance instance;
  private final Memory memory;
  private final PreparedMemory prepared;
  private final ExportFunction jsonToWire;
  private final ExportFunction wireToJson;
  private final ExportFunction validate;
  private final ExportFunction compactStream;
  private final ExportFunction expandStream;
  private final ExportFunction accumulatorNew;
  private final ExportFunction accumulatorFree;
  private final ExportFunction accumulatorAdd;
  private final ExportFunction accumulatorJson;
  private final ExportFunction splitterNew;
  private final ExportFunction splitterFree;
  private final ExportFunction splitterNext;
  private final ExportFunction schemaNew;
  private final ExportFunction schemaFree;
  private final ExportFunction codecNew;
  private final ExportFunction codecFree;
  private final ExportFunction alloc;
  private final ExportFunction free;
  private final int result;
  private int input;
  private int capacity;

  /** Makes an instance whose memory is one that was prepared. */
  WasmCore(PreparedMemory prepared) {
    instance =
        Instance.builder(Module.MODULE).withMachineFactory(CoreModule::create).withMemoryFactory(ByteArrayMemory::new).build();
    memory = instance.memory();
    this.prepared = prepared;
    prepared.writeTo(memory);
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

  static InputStream resource(String name) {
    InputStream found = WasmCore.class.getResourceAsStream(name);
    if (found == null) {
      throw new UncheckedIOException(new IOException("the artifact of chatpb lacks " + name));
    }
    return found;
  }

  /** Returns a copy of the whole memory, for PreparedMemory. */
  byte[] snapshot() {
    return memory.readBytes(0, memory.pages() * Memory.PAGE_SIZE);
  }

  /** Returns the values of the module's variables, of which a copy of the memory says nothing. */
  long[] globals() {
    long[] values = new long[instance.globalCount()];
    for (int number = 0; number < values.length; number++) {
      values[number] = instance.global(number).getValue();
    }
    return values;
  }

  @Override
  public long schemaNew(byte[] descriptors, byte[] typeName) throws ChatpbException {
    long known = descriptors == null ? prepared.schema(new String(typeName, StandardCharsets.UTF_8)) : 0;
    if (known != 0) {
      return known;
    }
    int size = descriptors == null ? 0 : descriptors.length;
    reserve(typeName.length + size);
    memory.write(input, typeName);
    if (size > 0) {
      memory.write(input + typeName.length, descriptors);
    }
    // A null pointer stands for the contract's own descriptors.
    int start = descriptors == null ? 0 : input + typeName.length;
    return made(schemaNew.apply(start, size, input, typeName.length, result));
  }

  @Override
  public void schemaFree(long schema) {
    if (!prepared.has(schema)) {
      schemaFree.apply(schema);
    }
  }

  @Override
  public long codecNew(long schema) {
    return codecNew.apply(schema)[0];
  }

  @Override
  public void codecFree(long codec) {
    codecFree.apply(codec);
  }

  @Override
  public byte[] jsonToWire(long codec, byte[] json, int options) throws ChatpbException {
    return call(jsonToWire, codec, json, options);
  }

  @Override
  public byte[] wireToJson(long codec, byte[] wire, int options) throws ChatpbException {
    return call(wireToJson, codec, wire, options);
  }

  @Override
  public byte[] validate(long codec, byte[] wire, int options) throws ChatpbException {
    return call(validate, codec, wire, options);
  }

  @Override
  public byte[] compactStream(long codec, byte[] chunks, int options) throws ChatpbException {
    return call(compactStream, codec, chunks, options);
  }

  @Override
  public byte[] expandStream(long codec, byte[] stream, int options) throws ChatpbException {
    return call(expandStream, codec, stream, options);
  }

  @Override
  public long accumulatorNew(long chunk) {
    return accumulatorNew.apply(chunk)[0];
  }

  @Override
  public void accumulatorFree(long accumulator) {
    accumulatorFree.apply(accumulator);
  }

  @Override
  public void accumulatorAdd(long accumulator, byte[] chunk, int options) throws ChatpbException {
    call(accumulatorAdd, accumulator, chunk, options);
  }

  @Override
  public byte[] accumulatorJson(long accumulator) throws ChatpbException {
    return checked((int) accumulatorJson.apply(accumulator, result)[0]);
  }

  @Override
  public long splitterNew(long completion, long chunk, byte[] wire, int characters, int options) throws ChatpbException {
    reserve(wire.length);
    memory.write(input, wire);
    return made(splitterNew.apply(completion, chunk, input, wire.length, characters, options, result));
  }

  @Override
  public void splitterFree(long splitter) {
    splitterFree.apply(splitter);
  }

  @Override
  public byte[] splitterNext(long splitter) throws ChatpbException {
    return checked((int) splitterNext.apply(splitter, result)[0]);
  }

  @Override
  public boolean isSmall() {
    return memory.pages() <= MAX_KEPT_MEMORY / Memory.PAGE_SIZE;
  }

  /** A defect is a trap, after which an instance is in no known state. So it is after the end of the stack inside a call. */
  @Override
  public boolean containsDefects() {
    return false;
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

  private byte[] call(ExportFunction function, long handle, byte[] data, int options) throws ChatpbException {
    reserve(data.length);
    memory.write(input, data);
    int code = (int) function.apply(handle, input, data.length, options, result)[0];
    if (capacity > MAX_KEPT_INPUT) {
      release();
    }
    return checked(code);
  }

  private byte[] checked(int code) throws ChatpbException {
    if (code == OK) {
      return bytes(DATA);
    }
    if (code == END) {
      return null;
    }
    byte[] reason = bytes(code == CONTRACT_ERROR ? DATA : REASON);
    throw Core.error(code, bytes(PATH), reason, number(LINE), number(COLUMN), number(OFFSET));
  }

  private long made(long[] handle) throws ChatpbException {
    if (handle[0] == 0) {
      checked(memory.readInt(result + CODE));
    }
    return handle[0];
  }

  private long number(int field) {
    return memory.readLong(result + field);
  }

  private byte[] bytes(int field) {
    return memory.readBytes((int) number(field), (int) number(field + SIZE));
  }
}
