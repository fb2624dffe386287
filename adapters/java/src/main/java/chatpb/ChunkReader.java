package chatpb;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;

/**
 * Reads server-sent events, the format of streamed completions over HTTP, into the wire bytes of chunks. No code here opens a
 * connection, and closing the stream is the caller's.
 *
 * <p>Rules, from the WHATWG specification of server-sent events and from what providers send:
 *
 * <ul>
 *   <li>Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading byte order mark, comments, and fields
 *       other than {@code event} and {@code data}. Several data lines are joined by LF.
 *   <li>An event with the data {@code [DONE]} ends the stream, and whatever follows it is ignored. A stream may also just end.
 *   <li>The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
 *   <li>An event named {@code error} is thrown as an error. So is one whose data is an error body.
 *   <li>A line that begins with a brace is no field of the specification, but what some servers write when they fail. With the
 *       lines after it, up to the empty line, it is the data of an event of its own.
 *   <li>Not chunks, and left out: events without data or with {@code null}, and those with another name than {@code message}
 *       whose data has no {@code choices}, such as {@code ping}.
 *   <li>At most one event is buffered. An event above the limit is refused.
 * </ul>
 */
public final class ChunkReader {
  /** Bytes of one event, unless the caller sets another limit. */
  public static final int MAX_EVENT = 16 << 20;

  private static final int BUFFER = 1 << 13;

  private final InputStream stream;
  private final int limit;
  private final Queue<Event> events = new ArrayDeque<>();
  private final byte[] buffer = new byte[BUFFER];
  private int at;
  private int end;

  /** The line being read; of a comment, which a server may send for hours, only its colon. */
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();

  private boolean isComment;
  private boolean afterCr;
  private boolean isFirstLine = true;
  private boolean isEnded;
  private boolean isDone;

  /** The lines of the event being read, and their bytes without those of comments. */
  private List<String> lines = new ArrayList<>();

  private int size;

  private record Event(String name, String data) {
    boolean isEnd() {
      return data.strip().equals("[DONE]");
    }
  }

  /** Reads events of at most {@link #MAX_EVENT} bytes. */
  public ChunkReader(InputStream stream) {
    this(stream, MAX_EVENT);
  }

  /** Reads events of at most so many bytes. */
  public ChunkReader(InputStream stream, int maxEvent) {
    this.stream = stream;
    this.limit = maxEvent;
  }

  /**
   * Returns the wire bytes of the next chunk; null at the end of the stream.
   *
   * @throws ChatpbException EVENT for an error that the sender reports, STREAM for an event that is too large, not a chunk or cut
   *     short. Nothing can be read after it.
   * @throws IOException of the stream.
   */
  public byte[] next() throws ChatpbException, IOException {
    boolean isOpen = !isDone;
    isDone = true;
    while (isOpen) {
      try {
        Event event = events.poll();
        byte[] chunk = event == null ? null : chunk(event);
        if (chunk != null) {
          isDone = false;
          return chunk;
        }
        isOpen = event == null ? fill() : !event.isEnd();
      } catch (ChatpbException error) {
        boolean isCut = isEnded && error.code() == ChatpbException.Code.STREAM;
        throw isCut ? ChatpbException.stream("the stream ends inside an event", error) : error;
      }
    }
    return null;
  }

  /** Reads until there is an event, and returns whether there may be one. The last one may have no empty line after it. */
  private boolean fill() throws ChatpbException, IOException {
    while (events.isEmpty()) {
      if (at == end) {
        at = 0;
        end = isEnded ? -1 : stream.read(buffer);
        if (end < 0) {
          end = 0;
          if (isEnded) {
            return false;
          }
          isEnded = true;
          endLine();
          endEvent();
          return true;
        }
      }
      take();
    }
    return true;
  }

  /** Takes what the buffer has of a line, and its end. */
  private void take() throws ChatpbException {
    if (afterCr && buffer[at] == '\n') {
      at++;
    }
    afterCr = false;
    int start = at;
    while (at < end && buffer[at] != '\n' && buffer[at] != '\r') {
      at++;
    }
    if (at > start) {
      isComment = line.size() == 0 ? buffer[start] == ':' : isComment;
      if (!isComment) {
        line.write(buffer, start, at - start);
        refuseAbove(size + line.size());
      } else if (line.size() == 0) {
        line.write(':');
      }
    }
    if (at < end) {
      afterCr = buffer[at++] == '\r';
      boolean isEmpty = line.size() == 0;
      endLine();
      if (isEmpty) {
        endEvent();
      }
    }
  }

  private void refuseAbove(int bytes) throws ChatpbException {
    if (bytes > limit) {
      throw ChatpbException.stream("an event of more than " + limit + " bytes, the limit", null);
    }
  }

  private void endLine() throws ChatpbException {
    byte[] bytes = line.toByteArray();
    line.reset();
    boolean hasMark = isFirstLine && bytes.length >= 3 && bytes[0] == -17 && bytes[1] == -69 && bytes[2] == -65;
    int start = hasMark ? 3 : 0;
    isFirstLine = false;
    isComment = false;
    if (bytes.length == start || bytes[start] == ':') {
      return;
    }
    refuseAbove(size + bytes.length - start);
    size += bytes.length - start + 1;
    try {
      lines.add(Utf8.decode(bytes, start, bytes.length));
    } catch (CharacterCodingException error) {
      throw ChatpbException.stream("an event that is not UTF-8", error);
    }
  }

  private void endEvent() {
    String name = "message";
    List<String> data = new ArrayList<>();
    List<String> bare = new ArrayList<>();
    for (String each : lines) {
      if (!bare.isEmpty() || each.startsWith("{")) {
        bare.add(each);
        continue;
      }
      int colon = each.indexOf(':');
      String field = colon < 0 ? each : each.substring(0, colon);
      String value = colon < 0 ? "" : each.substring(colon + (each.startsWith(" ", colon + 1) ? 2 : 1));
      if (field.equals("data")) {
        data.add(value);
      } else if (field.equals("event")) {
        name = value.isEmpty() ? "message" : value;
      }
    }
    lines = new ArrayList<>();
    size = 0;
    if (!data.isEmpty()) {
      events.add(new Event(name, String.join("\n", data)));
    }
    if (!bare.isEmpty()) {
      events.add(new Event("message", String.join("\n", bare)));
    }
  }

  /** Returns the wire bytes of an event; null if it is no chunk. */
  private byte[] chunk(Event event) throws ChatpbException {
    String data = event.data;
    String trimmed = data.strip();
    if (trimmed.isEmpty() || trimmed.equals("null") || event.isEnd()) {
      return null;
    }
    if (event.name.equals("error") || isError(data)) {
      throw ChatpbException.event(data);
    }
    if (!event.name.equals("message") && !data.contains("\"choices\"")) {
      return null;
    }
    try {
      return Codec.of(Chatpb.CHUNK).jsonToWire(data);
    } catch (ChatpbException error) {
      throw ChatpbException.stream("an event that is not a chunk: " + error.getMessage(), error);
    }
  }

  /** Returns whether JSON text is an error body: it has {@code error} and no {@code choices}, or its object is "error". */
  private static boolean isError(String data) {
    if (!data.contains("\"error\"")) {
      return false;
    }
    Object body;
    try {
      body = Json.parse(data);
    } catch (IllegalArgumentException error) {
      return false;
    }
    if (body instanceof List<?> list && list.size() == 1) {
      body = list.get(0);
    }
    return body instanceof Map<?, ?> members
        && ("error".equals(members.get("object")) || isTruthy(members.get("error")) && members.get("choices") == null);
  }

  /** Returns whether a JSON value is neither null, false, zero nor empty. */
  private static boolean isTruthy(Object value) {
    return !(value == null
        || Boolean.FALSE.equals(value)
        || value instanceof Double number && number == 0
        || value instanceof String text && text.isEmpty()
        || value instanceof List<?> list && list.isEmpty()
        || value instanceof Map<?, ?> map && map.isEmpty());
  }
}
