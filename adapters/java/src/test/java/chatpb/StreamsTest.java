package chatpb;

import static chatpb.Support.bytes;
import static chatpb.Support.refused;
import static chatpb.Support.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatpb.ChatpbException.Code;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class StreamsTest {
  private static final String COMPLETION =
      "{\"id\":\"1\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"one two h\u00e9 \ud83d\ude00 y\"},\"finish_reason\":\"stop\"}],"
          + "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}";

  private static byte[] chunk(String json) throws ChatpbException {
    return Codec.of(Chatpb.CHUNK).jsonToWire(json);
  }

  private static List<String> texts(List<byte[]> chunks) throws ChatpbException {
    List<String> texts = new ArrayList<>();
    for (byte[] each : chunks) {
      texts.add(Codec.of(Chatpb.CHUNK).wireToJson(each));
    }
    return texts;
  }

  @Test
  void aCompletionThatIsSplitAccumulatesToItself() throws ChatpbException {
    byte[] wire = Chatpb.jsonToWire(COMPLETION);
    List<List<byte[]>> ways =
        List.of(Streams.split(wire), Streams.split(wire, 1), Streams.split(wire, 7), Streams.split(wire, Integer.MAX_VALUE));
    for (List<byte[]> chunks : ways) {
      Accumulator accumulator = new Accumulator();
      for (byte[] each : chunks) {
        accumulator.addWire(each);
      }
      assertTrue(accumulator.toJson().contains("one two h\u00e9 \ud83d\ude00 y"), accumulator.toJson());
      assertTrue(accumulator.toJson().contains("\"total_tokens\":3"), accumulator.toJson());
      assertEquals(texts(chunks), texts(Streams.expand(Streams.compact(chunks))));
    }
    assertTrue(ways.get(0).size() > ways.get(3).size());
    assertTrue(texts(Streams.split(wire, Option.WITHOUT_USAGE)).stream().noneMatch(text -> text.contains("total_tokens")));
  }

  @Test
  void anAccumulatorAddsNothingOfWhatIsNoChunk() throws ChatpbException {
    Accumulator accumulator = new Accumulator();
    assertEquals("{}", accumulator.toJson());
    accumulator.addJson("{\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}");
    refused(Code.JSON, () -> accumulator.addJson("{\"id\":\"2\""));
    refused(Code.WIRE, () -> accumulator.addWire(bytes(255)));
    refused(Code.JSON, () -> accumulator.addJson("{\"x\":NaN}"));
    accumulator.addJson(utf8("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}"));
    assertEquals("{\"id\":\"1\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"ab\"}}]}", accumulator.toJson());
    Accumulator allowing = new Accumulator(Option.NONFINITE);
    allowing.addJson("{\"x\":NaN}");
    assertEquals("{\"x\":NaN}", allowing.toJson());
  }

  @Test
  void unknownFields() throws ChatpbException {
    byte[] unknown = bytes(0x0a, 1, 0x61, 0xa0, 6, 1);
    Accumulator refusing = new Accumulator();
    refused(Code.WIRE, () -> refusing.addWire(unknown));
    assertEquals("{}", refusing.toJson());
    Accumulator skipping = new Accumulator(Option.SKIP_UNKNOWN_FIELDS);
    skipping.addWire(unknown);
    assertEquals("{\"id\":\"a\"}", skipping.toJson());
    refused(Code.WIRE, () -> Streams.split(unknown));
    assertEquals(texts(Streams.split(bytes(0x0a, 1, 0x61))), texts(Streams.split(unknown, Option.SKIP_UNKNOWN_FIELDS)));
  }

  @Test
  void arguments() throws ChatpbException {
    assertThrows(IllegalArgumentException.class, () -> Streams.split(new byte[0], 0));
    assertThrows(IllegalArgumentException.class, () -> Streams.split(new byte[0], Option.STRICT));
    assertThrows(IllegalArgumentException.class, () -> new Accumulator(Option.CANONICAL));
    refused(Code.WIRE, () -> Streams.split(bytes(255)));
    assertEquals("/1", refused(Code.WIRE, () -> Streams.compact(List.of(new byte[0], bytes(255)))).path());
    assertTrue(Streams.expand(new byte[0]).isEmpty());
    byte[] big = chunk("{\"id\":\"" + "x".repeat(40_000) + "\"}");
    List<byte[]> found = Streams.expand(Streams.compact(List.of(big, new byte[0], big)));
    assertEquals(3, found.size());
    assertArrayEquals(big, found.get(0));
    assertArrayEquals(new byte[0], found.get(1));
    assertArrayEquals(big, found.get(2));
  }

  private static final String A = "{\"id\":\"1\",\"choices\":[]}";
  private static final String B = "{\"id\":\"\u00e4\"}";
  private static final String REPORTS = "EVENT the stream reports an error";

  /** Streams, and the chunks that they have; an error is its code and the start of its message. */
  static Stream<Arguments> streams() {
    return Stream.of(
        Arguments.of("data: " + A + "\n\ndata: " + B + "\n\ndata: [DONE]\n\ndata: {]\n\n", List.of(A, B)),
        Arguments.of("data: " + A + "\r\n\r\ndata: " + B + "\r\n\r\n", List.of(A, B)),
        Arguments.of("data: " + A + "\r\rdata: " + B + "\r\r", List.of(A, B)),
        Arguments.of("\ufeffdata: " + A + "\n\n", List.of(A)),
        Arguments.of("data:" + A, List.of(A)),
        Arguments.of(": keep-alive\n\nid: 7\nretry: 1\n: c\ndata: " + A + "\n\n:", List.of(A)),
        Arguments.of("data: {\"id\":\ndata: \"1\",\"choices\":[]}\n\n", List.of(A)),
        Arguments.of("event: ping\ndata: {\"type\":\"ping\"}\n\ndata:\n\ndata: null\n\ndata: " + A + "\n\n", List.of(A)),
        Arguments.of("event: delta\ndata: " + A + "\n\n", List.of(A)),
        Arguments.of("data: " + A + "\n\nevent: error\ndata: {}\n\n", List.of(A, REPORTS)),
        Arguments.of("data: {\"error\":{\"message\":\"m\\u00e4\\n\"}}\n\n", List.of(REPORTS)),
        Arguments.of("data: [{\"object\" : \"error\", \"error\":[1, true]}]\n\n", List.of(REPORTS)),
        Arguments.of("data: " + A + "\n{\"error\":{\"message\":\"m\"}}\n", List.of(A, REPORTS)),
        Arguments.of("data: {\"error\":{},\"id\":\"1\"}\n\n", List.of("{\"id\":\"1\",\"error\":{}}")),
        Arguments.of("data: {\"error\":0,\"id\":\"1\"}\n\n", List.of("{\"id\":\"1\",\"error\":0}")),
        Arguments.of(
            "data: " + A + "\n\ndata: {]\n\n", List.of(A, "STREAM an event that is not a chunk: expected the name")),
        Arguments.of("data: " + A + "\n\ndata: {\"id\"", List.of(A, "STREAM the stream ends inside an event")),
        Arguments.of("data: {\"error\" x\n\n", List.of("STREAM an event that is not a chunk: ")),
        Arguments.of(
            "data: " + A + "\n\ndata: {\"id\":\"" + "x".repeat(200) + "\"}\n\n", List.of(A, "STREAM an event of more than 200")),
        Arguments.of("data: " + A + "\n\n" + "data: x\n".repeat(30) + "\n", List.of(A, "STREAM an event of more than 200")),
        Arguments.of(":" + "c".repeat(1000) + "\n" + ":d\n".repeat(500) + "data: " + A + "\n\n", List.of(A)));
  }

  @ParameterizedTest
  @MethodSource("streams")
  void eventStream(String stream, List<String> expected) throws IOException {
    byte[] bytes = utf8(stream);
    for (int size : new int[] {1, 2, 3, 7, bytes.length}) {
      ChunkReader reader = new ChunkReader(inPieces(bytes, size), 200);
      List<String> found = new ArrayList<>();
      try {
        for (byte[] each = reader.next(); each != null; each = reader.next()) {
          found.add(Codec.of(Chatpb.CHUNK).wireToJson(each));
        }
      } catch (ChatpbException error) {
        String text = error.code() + " " + error.getMessage();
        String last = expected.get(expected.size() - 1);
        found.add(text.startsWith(last) ? last : text);
      }
      assertEquals(expected, found, "in pieces of " + size);
      assertNull(assertNoThrow(reader));
    }
  }

  private static byte[] assertNoThrow(ChunkReader reader) throws IOException {
    try {
      return reader.next();
    } catch (ChatpbException error) {
      throw new AssertionError("read on after the end", error);
    }
  }

  private static InputStream inPieces(byte[] bytes, int size) {
    return new ByteArrayInputStream(bytes) {
      @Override
      public synchronized int read(byte[] buffer, int start, int length) {
        return super.read(buffer, start, Math.min(size, length));
      }

      @Override
      public int read(byte[] buffer) {
        return read(buffer, 0, buffer.length);
      }
    };
  }

  @Test
  void anEventThatIsNotUtf8() {
    byte[] stream = "data: {\"id\":\"\u00ff\"}\n\n".getBytes(StandardCharsets.ISO_8859_1);
    refused(Code.STREAM, () -> new ChunkReader(new ByteArrayInputStream(stream)).next());
  }

  @Test
  void theBodyOfAnError() {
    String body = "{\"error\":{\"message\":\"m\"}}";
    byte[] stream = utf8("data: " + body + "\n\n");
    assertEquals(body, refused(Code.EVENT, () -> new ChunkReader(new ByteArrayInputStream(stream)).next()).body());
  }

  @Test
  void manyAccumulatorsAtOnce() throws Exception {
    String text = "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}";
    Accumulator[] all = new Accumulator[200];
    Arrays.setAll(all, number -> new Accumulator());
    Thread[] threads = new Thread[8];
    Arrays.setAll(
        threads,
        number ->
            new Thread(
                () -> {
                  for (Accumulator each : all) {
                    try {
                      each.addJson(text);
                    } catch (ChatpbException error) {
                      throw new AssertionError(error);
                    }
                  }
                }));
    for (Thread each : threads) {
      each.start();
    }
    for (Thread each : threads) {
      each.join();
    }
    for (Accumulator each : all) {
      assertEquals("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"aaaaaaaa\"}}]}", each.toJson());
    }
  }
}
