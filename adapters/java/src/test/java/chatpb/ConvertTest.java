package chatpb;

import static chatpb.Support.bytes;
import static chatpb.Support.refused;
import static chatpb.Support.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatcompletion.v1.ChatCompletion;
import chatcompletion.v1.ChatCompletionChunk;
import chatcompletion.v1.ChatCompletionProto;
import chatcompletion.v1.CreateChatCompletionRequest;
import chatpb.ChatpbException.Code;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ConvertTest {
  /** A completion with an id, and a field that the contract does not have. */
  private static final byte[] UNKNOWN = bytes(0x0a, 1, 0x61, 0xa0, 6, 1);

  static List<Support.Vector> vectors() {
    return Support.vectors();
  }

  @Test
  void theCoreIsTheOneThatIsAskedFor() {
    assertEquals(System.getProperty("chatpb.native").equals("always"), Chatpb.isNative());
  }

  @Test
  void vectorsAreThere() {
    assertTrue(vectors().size() > 100);
  }

  @ParameterizedTest
  @MethodSource("vectors")
  void vector(Support.Vector vector) throws ChatpbException {
    Codec codec = Codec.of(vector.type());
    assertEquals(vector.expected(), codec.wireToJson(vector.wire(), Option.SKIP_UNKNOWN_FIELDS));
    if (vector.input() != null) {
      assertArrayEquals(vector.wire(), codec.jsonToWire(vector.input()));
      assertArrayEquals(vector.wire(), codec.jsonToWire(new String(vector.input(), StandardCharsets.UTF_8)));
    }
  }

  @Test
  void messages() throws ChatpbException {
    String json = "{\"id\":\"c1\",\"usage\":null,\"x_groq\":{\"id\":9007199254740993},\"created\":18446744073709551615}";
    ChatCompletion.Builder builder = ChatCompletion.newBuilder().setModel("replaced");
    ChatCompletion completion = Chatpb.parse(json, builder).build();
    assertEquals("c1", completion.getId());
    assertEquals(json, Chatpb.print(completion));
    assertArrayEquals(utf8(json), Chatpb.printBytes(completion));
    assertArrayEquals(Chatpb.jsonToWire(json), completion.toByteArray());
    assertEquals(json, Chatpb.wireToJson(completion.toByteArray()));
    assertEquals(Codec.of(Chatpb.COMPLETION).validate(completion.toByteArray()), Chatpb.validate(completion));
    assertEquals("{\"choices\":[]}", Chatpb.print(Chatpb.parse("{\"choices\":[]}", ChatCompletionChunk.newBuilder()).build()));
  }

  @Test
  void theContractIsCompiledWhenTheArtifactIsBuilt() {
    assertEquals(Codec.of(Chatpb.COMPLETION), Chatpb.codecOf(ChatCompletion.getDescriptor()));
    assertEquals(Codec.of(Chatpb.CHUNK), Chatpb.codecOf(ChatCompletionChunk.getDescriptor()));
    for (String type : List.of(Chatpb.COMPLETION, Chatpb.CHUNK, CreateChatCompletionRequest.getDescriptor().getFullName())) {
      assertTrue(PreparedMemory.load().schema(type) != 0, type);
    }
  }

  static Stream<String> deep() {
    return IntStream.of(40, 90).mapToObj(depth -> "{\"x\":" + "[".repeat(depth) + "]".repeat(depth) + "}");
  }

  @ParameterizedTest
  @MethodSource("deep")
  void nestedDeeply(String json) throws ChatpbException {
    assertEquals(json, Chatpb.print(Chatpb.parse(json, ChatCompletion.newBuilder()).build()));
  }

  static Stream<Arguments> wrongTexts() {
    return Stream.of(
        Arguments.of("{\"a\":\n tru}", "/a", 2, 2, 7, "expected a value"),
        Arguments.of("{\"\u00e4\ud83d\ude00\": x}", "/\u00e4\ud83d\ude00", 1, 8, 11, "expected a value"),
        Arguments.of("{\"id\":\"\ud800\"}", "", 1, 8, 7, "a lone surrogate, which UTF-8 cannot encode"),
        Arguments.of("{\"x\":\"\ud83d\ude00\u00e4\n\udc00", "", 2, 1, 13, "a lone surrogate, which UTF-8 cannot encode"));
  }

  @ParameterizedTest
  @MethodSource("wrongTexts")
  void errorInText(String json, String path, int line, int column, int offset, String reason) {
    ChatpbException error = refused(Code.JSON, () -> Chatpb.jsonToWire(json));
    assertEquals(List.of(path, reason), List.of(error.path(), error.reason()));
    assertEquals(List.of((long) line, (long) column, (long) offset), List.of(error.line(), error.column(), error.offset()));
    assertTrue(error.getMessage().startsWith(reason + " at line " + line), error.getMessage());
  }

  @Test
  void errorInWireBytes() {
    ChatpbException error = refused(Code.WIRE, () -> Chatpb.wireToJson(bytes(0x32, 2, 0x0a, 9)));
    assertEquals("/usage", error.path());
    assertEquals(2, error.offset());
    refused(Code.WIRE, () -> Codec.of(Chatpb.COMPLETION).validate(bytes(255)));
  }

  @Test
  void unknownFields() throws Exception {
    ChatpbException error = refused(Code.WIRE, () -> Chatpb.wireToJson(UNKNOWN));
    assertTrue(error.reason().startsWith("field 100, which chatcompletion.v1.ChatCompletion "), error.reason());
    refused(Code.WIRE, () -> Chatpb.print(ChatCompletion.parseFrom(UNKNOWN)));
    assertEquals("{\"id\":\"a\"}", Chatpb.wireToJson(UNKNOWN, Option.SKIP_UNKNOWN_FIELDS));
    assertEquals("{\"id\":\"a\"}", Chatpb.print(ChatCompletion.parseFrom(UNKNOWN), Option.SKIP_UNKNOWN_FIELDS));
  }

  @Test
  void violations() throws ChatpbException {
    String json = "{\"choices\":[7]}";
    List<Violation> found = Codec.of(Chatpb.COMPLETION).validate(Chatpb.jsonToWire(json));
    assertTrue(found.stream().anyMatch(each -> each.path().equals("/model") && each.rule().equals("required")));
    ChatpbException error = refused(Code.CONTRACT, () -> Chatpb.jsonToWire(json, Option.STRICT));
    assertFalse(error.violations().isEmpty());
    assertTrue(error.getMessage().contains(error.violations().get(0).toString()), error.getMessage());
    assertEquals(found, Chatpb.validate(Chatpb.parse(json, ChatCompletion.newBuilder()).build()));
  }

  @Test
  void options() throws ChatpbException {
    String numbers = "{\"x\":NaN,\"y\":-Infinity}";
    byte[] wire = Chatpb.jsonToWire(numbers, Option.NONFINITE);
    assertEquals(numbers, Chatpb.wireToJson(wire, Option.NONFINITE));
    refused(Code.WIRE, () -> Chatpb.wireToJson(wire));
    refused(Code.JSON, () -> Chatpb.jsonToWire(numbers));
    assertArrayEquals(
        Chatpb.jsonToWire("{\"b\":{\"d\":1,\"c\":[]},\"a\":2}", Option.CANONICAL),
        Chatpb.jsonToWire("{\"a\":2,\"b\":{\"c\":[],\"d\":1}}", Option.CANONICAL));
    assertTrue(Chatpb.wireToJson(new byte[0], Option.FILL_REQUIRED).contains("\"choices\":[]"));
    assertThrows(IllegalArgumentException.class, () -> Chatpb.jsonToWire("{}", Option.FILL_REQUIRED));
    assertThrows(IllegalArgumentException.class, () -> Chatpb.wireToJson(new byte[0], Option.STRICT));
  }

  @Test
  void arguments() throws ChatpbException {
    assertThrows(NullPointerException.class, () -> Chatpb.jsonToWire((byte[]) null));
    assertThrows(NullPointerException.class, () -> Chatpb.wireToJson(null));
    assertThrows(SchemaException.class, () -> Codec.of("no.Such"));
    assertThrows(SchemaException.class, () -> Codec.of("no.Such", bytes(255)));
    assertThrows(SchemaException.class, () -> Codec.of(Chatpb.COMPLETION, new byte[0]));
    assertEquals("{}", Chatpb.wireToJson(Chatpb.jsonToWire("{}")));
  }

  @Test
  void longTexts() throws ChatpbException {
    for (String piece : List.of("a", "\u00e4", "\u4e2d", "\ud83d\ude00", "\\u0000\\\"")) {
      for (int length : new int[] {0, 1, 5000, 3_000_000}) {
        String json = "{\"id\":\"" + piece.repeat(length) + "\"}";
        assertEquals(json, Chatpb.wireToJson(Chatpb.jsonToWire(json)));
      }
    }
  }

  @Test
  void manyContractsOfOnesOwn() throws ChatpbException {
    FileDescriptorSet.Builder set = FileDescriptorSet.newBuilder();
    byte[] descriptors = descriptorsOf(ChatCompletionProto.getDescriptor(), set, new ArrayList<>()).build().toByteArray();
    Codec first = Codec.of(Chatpb.COMPLETION, descriptors);
    for (int number = 0; number < 40; number++) {
      assertEquals("{\"id\":\"1\"}", roundTrip(Codec.of(Chatpb.COMPLETION, descriptors), "{\"id\":\"1\"}"));
    }
    assertEquals("{\"id\":\"2\"}", roundTrip(first, "{\"id\":\"2\"}"));
  }

  private static FileDescriptorSet.Builder descriptorsOf(
      com.google.protobuf.Descriptors.FileDescriptor file, FileDescriptorSet.Builder set, List<String> seen) {
    if (!seen.contains(file.getName())) {
      seen.add(file.getName());
      file.getDependencies().forEach(each -> descriptorsOf(each, set, seen));
      set.addFile(file.toProto());
    }
    return set;
  }

  private static String roundTrip(Codec codec, String json) throws ChatpbException {
    return codec.wireToJson(codec.jsonToWire(json));
  }

  @Test
  void manyThreads() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(64);
    try {
      List<Future<Boolean>> found = new ArrayList<>();
      for (int number = 0; number < 64; number++) {
        String json = "{\"id\":\"" + number + "\",\"choices\":[],\"x\":" + number + "}";
        found.add(
            threads.submit(
                () -> {
                  for (int turn = 0; turn < 50; turn++) {
                    assertEquals(json, roundTrip(Codec.of(Chatpb.COMPLETION), json));
                    refused(Code.JSON, () -> Chatpb.jsonToWire(json + "}"));
                  }
                  return true;
                }));
      }
      for (Future<Boolean> each : found) {
        assertTrue(each.get());
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** Goes down until a call finds the end of the stack, in the core or before it. */
  private static void deeper() {
    try {
      Chatpb.jsonToWire("{\"choices\":[{\"index\":0}]}");
    } catch (InternalException error) {
      String text = error.getMessage() + error.getCause();
      assertTrue(text.toLowerCase(Locale.ROOT).contains("stack"), text);
      throw error;
    } catch (ChatpbException error) {
      throw new AssertionError(error);
    }
    deeper();
  }

  @Test
  void anEndOfTheStackIsAnError() throws ChatpbException {
    Throwable error = assertThrows(Throwable.class, ConvertTest::deeper);
    assertTrue(error instanceof InternalException || error instanceof StackOverflowError, error.toString());
    assertEquals("{\"id\":\"x\"}", Chatpb.wireToJson(Chatpb.jsonToWire("{\"id\":\"x\"}")));
  }
}
