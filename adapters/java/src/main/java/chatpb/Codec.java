package chatpb;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/** The conversions of one message type. Any number of threads may use one codec at once. */
public final class Codec {
  private static final Map<String, Codec> KNOWN = new ConcurrentHashMap<>();

  private final String typeName;
  private final byte[] descriptors;

  private Codec(String typeName, byte[] descriptors) {
    this.typeName = Objects.requireNonNull(typeName, "typeName");
    this.descriptors = descriptors;
  }

  /**
   * Returns the codec of a type of the contract.
   *
   * @param typeName its full name, such as "chatcompletion.v1.ChatCompletionChunk".
   * @throws SchemaException if the contract has no such type.
   */
  public static Codec of(String typeName) {
    Codec known = KNOWN.get(typeName);
    if (known == null) {
      known = new Codec(typeName, null).checked();
      KNOWN.put(typeName, known);
    }
    return known;
  }

  /**
   * Returns the codec of a type of a contract of your own. Keep it: to make one takes as long as many conversions.
   *
   * @param typeName its full name.
   * @param descriptors an encoded FileDescriptorSet that has the type and all that it needs.
   * @throws SchemaException if it has no such type, or the mapping cannot hold it.
   */
  public static Codec of(String typeName, byte[] descriptors) {
    return new Codec(typeName, descriptors.clone()).checked();
  }

  private Codec checked() {
    try {
      Engines.run(engine -> engine.codec(this));
    } catch (ChatpbException error) {
      throw new InternalException(error.getMessage(), error);
    }
    return this;
  }

  /** Returns the full name of the message type. */
  public String typeName() {
    return typeName;
  }

  byte[] descriptors() {
    return descriptors;
  }

  /** Returns the wire bytes of the message that the text of a JSON object stands for. See the method that takes bytes. */
  public byte[] jsonToWire(String json, Option... options) throws ChatpbException {
    return jsonToWire(Utf8.encode(json), options);
  }

  /**
   * Returns the wire bytes of the message that the text of a JSON object stands for, given in UTF-8.
   *
   * @param options CANONICAL, NONFINITE, STRICT.
   * @throws ChatpbException JSON for text that is not acceptable, CONTRACT for what STRICT refuses.
   */
  public byte[] jsonToWire(byte[] json, Option... options) throws ChatpbException {
    int flags = Option.flags(options, Option.TO_WIRE);
    Objects.requireNonNull(json, "json");
    return Engines.run(engine -> engine.core.jsonToWire(engine.codec(this), json, flags));
  }

  /** Returns the JSON text of an encoded message. See {@link #wireToJsonBytes}. */
  public String wireToJson(byte[] wire, Option... options) throws ChatpbException {
    return new String(wireToJsonBytes(wire, options), StandardCharsets.UTF_8);
  }

  /**
   * Returns the JSON text of an encoded message, in UTF-8.
   *
   * @param options NONFINITE, FILL_REQUIRED, SKIP_UNKNOWN_FIELDS.
   * @throws ChatpbException WIRE for bytes that are no valid encoding, that hold what JSON cannot, or that have a field of a newer
   *     contract, unless SKIP_UNKNOWN_FIELDS is given.
   */
  public byte[] wireToJsonBytes(byte[] wire, Option... options) throws ChatpbException {
    int flags = Option.flags(options, Option.TO_JSON);
    Objects.requireNonNull(wire, "wire");
    return Engines.run(engine -> engine.core.wireToJson(engine.codec(this), wire, flags));
  }

  /**
   * Returns every way in which an encoded message breaks the contract, in the contract's order.
   *
   * @param options STRICT.
   * @throws ChatpbException WIRE for bytes that are no valid encoding.
   */
  public List<Violation> validate(byte[] wire, Option... options) throws ChatpbException {
    int flags = Option.flags(options, Option.TO_VALIDATE);
    Objects.requireNonNull(wire, "wire");
    byte[] found = Engines.run(engine -> engine.core.validate(engine.codec(this), wire, flags));
    return Json.violations(new String(found, StandardCharsets.UTF_8));
  }
}
