package chatpb;

import com.dylibso.chicory.runtime.Memory;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The memory of a core that has compiled the contract's own documents, and where it has their schemas. It is made when the artifact
 * is built: to compile them takes a new virtual machine far longer than any conversion.
 */
final class PreparedMemory {
  /** That of a core which has compiled nothing yet. */
  private static final PreparedMemory NONE = new PreparedMemory(Map.of(), 0, new byte[0]);

  private static final String FILE = "prepared-memory.bin";
  private static final List<String> DOCUMENTS =
      List.of(Chatpb.COMPLETION, Chatpb.CHUNK, "chatcompletion.v1.CreateChatCompletionRequest");

  /** Zero bytes between two runs of others that are worth a run of their own. */
  private static final int GAP = 16;

  private final Map<String, Long> schemas;
  private final int pages;

  /** Each run of bytes that are not all zero after its address and its length. */
  private final byte[] runs;

  private PreparedMemory(Map<String, Long> schemas, int pages, byte[] runs) {
    this.schemas = schemas;
    this.pages = pages;
    this.runs = runs;
  }

  /** Returns the one that the artifact has. */
  static PreparedMemory load() {
    try (DataInputStream input = new DataInputStream(WasmCore.resource(FILE))) {
      Map<String, Long> schemas = new LinkedHashMap<>();
      for (int count = input.readInt(); count > 0; count--) {
        schemas.put(input.readUTF(), input.readLong());
      }
      return new PreparedMemory(schemas, input.readInt(), input.readAllBytes());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Returns where the schema of a type is; 0 for one that was not compiled. */
  long schema(String typeName) {
    return schemas.getOrDefault(typeName, 0L);
  }

  boolean has(long schema) {
    return schemas.containsValue(schema);
  }

  void writeTo(Memory memory) {
    memory.grow(Math.max(0, pages - memory.pages()));
    for (ByteBuffer input = ByteBuffer.wrap(runs); input.hasRemaining(); ) {
      int address = input.getInt();
      int length = input.getInt();
      memory.write(address, runs, input.position(), length);
      input.position(input.position() + length);
    }
  }

  /** Writes the file of the artifact into a folder. */
  static void write(Path folder) throws IOException, ChatpbException {
    WasmCore core = new WasmCore(NONE);
    long[] globals = core.globals();
    Map<String, Long> schemas = new LinkedHashMap<>();
    for (String name : DOCUMENTS) {
      schemas.put(name, core.schemaNew(null, name.getBytes(StandardCharsets.UTF_8)));
    }
    if (!Arrays.equals(globals, core.globals())) {
      throw new IllegalStateException("the core's state is not in its memory alone");
    }
    try (OutputStream output = Files.newOutputStream(folder.resolve(FILE))) {
      new PreparedMemory(schemas, core.snapshot().length / Memory.PAGE_SIZE, runsOf(core.snapshot())).write(output);
    }
  }

  private void write(OutputStream file) throws IOException {
    DataOutputStream output = new DataOutputStream(file);
    output.writeInt(schemas.size());
    for (Map.Entry<String, Long> each : schemas.entrySet()) {
      output.writeUTF(each.getKey());
      output.writeLong(each.getValue());
    }
    output.writeInt(pages);
    output.write(runs);
  }

  private static byte[] runsOf(byte[] memory) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream output = new DataOutputStream(bytes);
    int end = 0;
    for (int start = next(memory, 0); start < memory.length; start = next(memory, end)) {
      end = start + 1;
      for (int at = end; at < memory.length && at - end < GAP; at++) {
        end = memory[at] == 0 ? end : at + 1;
      }
      output.writeInt(start);
      output.writeInt(end - start);
      output.write(memory, start, end - start);
    }
    return bytes.toByteArray();
  }

  private static int next(byte[] memory, int start) {
    int at = start;
    while (at < memory.length && memory[at] == 0) {
      at++;
    }
    return at;
  }
}
