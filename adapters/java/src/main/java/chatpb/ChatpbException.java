package chatpb;

import java.util.List;
import java.util.stream.Collectors;

/** Data that chatpb was given is wrong. The message has no value of the data, except names of members. */
public final class ChatpbException extends Exception {
  private static final long serialVersionUID = 1;
  private static final int SHOWN_VIOLATIONS = 20;

  /** What kind of data is wrong. */
  public enum Code {
    /** Text is not acceptable JSON: RFC 8259, and the limits of the mapping. */
    JSON,
    /** Bytes are not a valid protobuf encoding, or hold what JSON cannot. */
    WIRE,
    /** A message breaks the contract, and the caller asked for STRICT. */
    CONTRACT,
    /** A stream cannot be read further: an event is too large, not a chunk, or cut short. */
    STREAM,
    /** The sender reports an error in the stream. */
    EVENT
  }

  private final Code code;
  private final String reason;
  private final String path;
  private final long line;
  private final long column;
  private final long offset;
  private final transient List<Violation> violations;
  private final String body;

  private ChatpbException(
      Code code, String message, String reason, Place place, List<Violation> violations, String body, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.reason = reason;
    this.path = place.path;
    this.line = place.line;
    this.column = place.column;
    this.offset = place.offset;
    this.violations = violations;
    this.body = body;
  }

  private record Place(String path, long line, long column, long offset) {
    static final Place NONE = new Place("", 0, 0, 0);

    private String inPath() {
      return path.isEmpty() ? "" : ", in " + path;
    }
  }

  static ChatpbException json(String path, long line, long column, long offset, String reason) {
    Place place = new Place(path, line, column, offset);
    String where = " at line " + line + ", column " + column + " (byte " + offset + ")";
    return new ChatpbException(Code.JSON, reason + where + place.inPath(), reason, place, List.of(), "", null);
  }

  static ChatpbException wire(String path, long offset, String reason) {
    Place place = new Place(path, 0, 0, offset);
    String message = reason + " at byte " + offset + place.inPath();
    return new ChatpbException(Code.WIRE, message, reason, place, List.of(), "", null);
  }

  static ChatpbException contract(List<Violation> violations) {
    int count = violations.size();
    String shown = violations.stream().limit(SHOWN_VIOLATIONS).map(Violation::toString).collect(Collectors.joining("; "));
    String more = count > SHOWN_VIOLATIONS ? "; and " + (count - SHOWN_VIOLATIONS) + " more" : "";
    String message = (count == 1 ? "1 violation" : count + " violations") + " of the contract: " + shown + more;
    return new ChatpbException(Code.CONTRACT, message, message, Place.NONE, violations, "", null);
  }

  static ChatpbException stream(String reason, Throwable cause) {
    return new ChatpbException(Code.STREAM, reason, reason, Place.NONE, List.of(), "", cause);
  }

  static ChatpbException event(String body) {
    String reason = "the stream reports an error";
    return new ChatpbException(Code.EVENT, reason, reason, Place.NONE, List.of(), body, null);
  }

  /** Returns what kind of data is wrong. */
  public Code code() {
    return code;
  }

  /** Returns what is wrong, in one sentence, without the place. */
  public String reason() {
    return reason;
  }

  /** Returns the JSON Pointer (RFC 6901) of the value or message being read; "" is the outermost one. */
  public String path() {
    return path;
  }

  /** Returns the line of the character where a text is wrong, from 1; 0 of what is no text. */
  public long line() {
    return line;
  }

  /** Returns the column of that character in code points, from 1; 0 of what is no text. */
  public long column() {
    return column;
  }

  /** Returns the offset in bytes of that character in UTF-8, or of the field that is wrong, from 0. */
  public long offset() {
    return offset;
  }

  /** Returns the violations of a CONTRACT error, in the contract's order, but those that STRICT lets pass. */
  public List<Violation> violations() {
    return violations == null ? List.of() : violations;
  }

  /** Returns the data of an EVENT error, usually the JSON text of an error response; "" of other errors. */
  public String body() {
    return body;
  }
}
