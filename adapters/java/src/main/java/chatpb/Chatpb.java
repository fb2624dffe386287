package chatpb;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Message;
import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;

/**
 * OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.
 *
 * <p>What is written here as JSON is a String, or its bytes in UTF-8. Any number of threads may call these methods at once.
 */
public final class Chatpb {
  /** The full name of a completion, the type of documents where no message or codec says another one. */
  public static final String COMPLETION = "chatcompletion.v1.ChatCompletion";

  /** The full name of a chunk of a stream. */
  public static final String CHUNK = "chatcompletion.v1.ChatCompletionChunk";

  /** By message type, its codec. */
  private static final Map<Descriptor, Codec> CODECS = Collections.synchronizedMap(new WeakHashMap<>());

  private Chatpb() {}

  /** Returns whether machine code converts, of the artifact chatpb-native, and not the core's Java classes. */
  public static boolean isNative() {
    return Cores.NATIVE;
  }

  /** Reads JSON into a builder, and returns that. See the method that takes bytes. */
  public static <B extends Message.Builder> B parse(String json, B builder, Option... options) throws ChatpbException {
    return parse(Utf8.encode(json), builder, options);
  }

  /**
   * Reads JSON into a builder, in place of what that holds, and returns it.
   *
   * @param options CANONICAL, NONFINITE, STRICT.
   * @throws ChatpbException JSON for text that is not acceptable, CONTRACT for what STRICT refuses.
   */
  public static <B extends Message.Builder> B parse(byte[] json, B builder, Option... options) throws ChatpbException {
    byte[] wire = codecOf(builder.getDescriptorForType()).jsonToWire(json, options);
    CodedInputStream input = CodedInputStream.newInstance(wire);
    // The core has its own limit for the depth of a document, which is below what a stack has room for.
    input.setRecursionLimit(Integer.MAX_VALUE);
    builder.clear();
    try {
      builder.mergeFrom(input);
    } catch (IOException error) {
      throw new InternalException("wire bytes that " + builder.getClass() + " does not take", error);
    }
    return builder;
  }

  /**
   * Returns the JSON text of a message.
   *
   * @param options NONFINITE, FILL_REQUIRED, SKIP_UNKNOWN_FIELDS.
   * @throws ChatpbException WIRE for a message that holds what JSON cannot, or that has a field of a newer contract, unless
   *     SKIP_UNKNOWN_FIELDS is given.
   */
  public static String print(Message message, Option... options) throws ChatpbException {
    return codecOf(message.getDescriptorForType()).wireToJson(message.toByteArray(), options);
  }

  /** Returns the JSON text of a message in UTF-8. See {@link #print}. */
  public static byte[] printBytes(Message message, Option... options) throws ChatpbException {
    return codecOf(message.getDescriptorForType()).wireToJsonBytes(message.toByteArray(), options);
  }

  /**
   * Returns every way in which a message breaks the contract, in the contract's order.
   *
   * @param options STRICT.
   */
  public static List<Violation> validate(Message message, Option... options) throws ChatpbException {
    return codecOf(message.getDescriptorForType()).validate(message.toByteArray(), options);
  }

  /** Returns the wire bytes of the completion that the text of a JSON object stands for. See {@link Codec#jsonToWire}. */
  public static byte[] jsonToWire(String json, Option... options) throws ChatpbException {
    return Codec.of(COMPLETION).jsonToWire(json, options);
  }

  /** Returns the wire bytes of the completion that the text of a JSON object stands for. See {@link Codec#jsonToWire}. */
  public static byte[] jsonToWire(byte[] json, Option... options) throws ChatpbException {
    return Codec.of(COMPLETION).jsonToWire(json, options);
  }

  /** Returns the JSON text of an encoded completion. See {@link Codec#wireToJson}. */
  public static String wireToJson(byte[] wire, Option... options) throws ChatpbException {
    return Codec.of(COMPLETION).wireToJson(wire, options);
  }

  /** Returns the codec of a message type: that of the contract if it is of it, else one made of its own descriptors. */
  static Codec codecOf(Descriptor type) {
    Codec known = CODECS.get(type);
    if (known == null) {
      Set<FileDescriptor> files = new LinkedHashSet<>();
      addWithImports(type.getFile(), files);
      known = Contract.has(files) ? Codec.of(type.getFullName()) : Codec.of(type.getFullName(), descriptors(files));
      CODECS.put(type, known);
    }
    return known;
  }

  private static byte[] descriptors(Set<FileDescriptor> files) {
    FileDescriptorSet.Builder set = FileDescriptorSet.newBuilder();
    files.forEach(file -> set.addFile(file.toProto()));
    return set.build().toByteArray();
  }

  /** Adds a file after all that it imports. */
  private static void addWithImports(FileDescriptor file, Set<FileDescriptor> files) {
    if (!files.contains(file)) {
      file.getDependencies().forEach(each -> addWithImports(each, files));
      files.add(file);
    }
  }
}
