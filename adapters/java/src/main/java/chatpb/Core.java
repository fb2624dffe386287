package chatpb;

import java.nio.charset.StandardCharsets;

/**
 * The functions of chatpb.h, for one thread at a time. A handle is a number that the core knows; freed ones must not come again. A
 * method that takes an input returns the data of its result, and throws what it reports.
 */
interface Core {
  /** Makes the schema of a type; without descriptors, that of the contract's own. */
  long schemaNew(byte[] descriptors, byte[] typeName) throws ChatpbException;

  void schemaFree(long schema);

  long codecNew(long schema);

  void codecFree(long codec);

  byte[] jsonToWire(long codec, byte[] json, int options) throws ChatpbException;

  byte[] wireToJson(long codec, byte[] wire, int options) throws ChatpbException;

  byte[] validate(long codec, byte[] wire, int options) throws ChatpbException;

  byte[] compactStream(long codec, byte[] chunks, int options) throws ChatpbException;

  byte[] expandStream(long codec, byte[] stream, int options) throws ChatpbException;

  long accumulatorNew(long chunk);

  void accumulatorFree(long accumulator);

  void accumulatorAdd(long accumulator, byte[] chunk, int options) throws ChatpbException;

  byte[] accumulatorJson(long accumulator) throws ChatpbException;

  long splitterNew(long completion, long chunk, byte[] wire, int characters, int options) throws ChatpbException;

  void splitterFree(long splitter);

  /** Returns the next chunk, or null after the last one. */
  byte[] splitterNext(long splitter) throws ChatpbException;

  /** Returns whether the core takes no more memory than one that is kept. */
  boolean isSmall();

  /** Returns whether a defect of chatpb in one call leaves the others as they are. */
  boolean containsDefects();

  /** The codes of results, as chatpb.h has them. */
  int OK = 0;

  int JSON_ERROR = 1;
  int WIRE_ERROR = 2;
  int DESCRIPTOR_ERROR = 3;
  int SCHEMA_ERROR = 4;
  int CONTRACT_ERROR = 8;
  int END = 9;

  /** Returns the error that a result reports. Of CONTRACT_ERROR, the reason is the violations as JSON. */
  static ChatpbException error(int code, byte[] path, byte[] reason, long line, long column, long offset) {
    String place = new String(path, StandardCharsets.UTF_8);
    String text = new String(reason, StandardCharsets.UTF_8);
    return switch (code) {
      case JSON_ERROR -> ChatpbException.json(place, line, column, offset, text);
      case WIRE_ERROR -> ChatpbException.wire(place, offset, text);
      case CONTRACT_ERROR -> ChatpbException.contract(Json.violations(text));
      case DESCRIPTOR_ERROR, SCHEMA_ERROR -> throw new SchemaException(text);
      default -> throw new InternalException("a call ended with code " + code + ": " + text, null);
    };
  }
}
