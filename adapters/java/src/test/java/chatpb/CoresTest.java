package chatpb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The core in use against the core's Java classes. */
class CoresTest {
  private static final int SEED = 20;
  private static final int TURNS = 20;

  /** A core, with a codec of each type that it was asked for. */
  private static final class Codecs {
    private final Core core;
    private final Map<String, Long> codecs = new HashMap<>();

    Codecs(Core core) {
      this.core = core;
    }

    private long codec(String type) throws ChatpbException {
      if (!codecs.containsKey(type)) {
        codecs.put(type, core.codecNew(core.schemaNew(null, type.getBytes(StandardCharsets.UTF_8))));
      }
      return codecs.get(type);
    }

    /** Returns what becomes of some bytes, whatever they are: in each direction, and of the validator. */
    String outcomes(String type, byte[] bytes) throws ChatpbException {
      long codec = codec(type);
      return outcome(() -> core.jsonToWire(codec, bytes, 0))
          + outcome(() -> core.wireToJson(codec, bytes, 0))
          + outcome(() -> core.validate(codec, bytes, 0))
          + outcome(() -> core.expandStream(codec, bytes, 0));
    }
  }

  private interface Call {
    byte[] run() throws ChatpbException;
  }

  private static String outcome(Call call) {
    try {
      return HexFormat.of().formatHex(call.run()) + "\n";
    } catch (ChatpbException error) {
      return error.code() + " " + error.path() + " " + error.column() + " " + error.getMessage() + "\n";
    }
  }

  @Test
  void damagedDocumentsHaveTheSameOutcome() throws ChatpbException {
    Random random = new Random(SEED);
    Codecs expected = new Codecs(new WasmCore(PreparedMemory.load()));
    Codecs found = new Codecs(Cores.create());
    for (Support.Vector vector : Support.vectors()) {
      for (int turn = 0; turn < TURNS; turn++) {
        byte[] original = vector.input() != null && turn % 2 == 0 ? vector.input() : vector.wire();
        byte[] bytes = damaged(original, random);
        assertEquals(expected.outcomes(vector.type(), bytes), found.outcomes(vector.type(), bytes), vector + ", seed " + SEED);
      }
    }
  }

  /** Returns bytes of which some are others, or are missing, or are there twice. */
  private static byte[] damaged(byte[] original, Random random) {
    byte[] bytes = original.clone();
    for (int count = random.nextInt(3); count >= 0 && bytes.length > 0; count--) {
      int at = random.nextInt(bytes.length);
      int length = Math.min(bytes.length - at, 1 + random.nextInt(8));
      switch (random.nextInt(4)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> bytes = Arrays.copyOf(bytes, at);
        case 2 -> bytes = joined(Arrays.copyOf(bytes, at), bytes, at + length);
        default -> bytes = joined(Arrays.copyOf(bytes, at + length), bytes, at);
      }
    }
    return bytes;
  }

  private static byte[] joined(byte[] head, byte[] bytes, int from) {
    byte[] both = Arrays.copyOf(head, head.length + bytes.length - from);
    System.arraycopy(bytes, from, both, head.length, bytes.length - from);
    return both;
  }

  @Test
  void theProperty() {
    String before = System.setProperty("chatpb.native", "sometimes");
    try {
      assertThrows(IllegalArgumentException.class, Natives::load);
    } finally {
      System.setProperty("chatpb.native", before);
    }
  }
}
