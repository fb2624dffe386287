package chatpb;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON that chatpb looks into itself: lists of violations, and bodies of errors. Documents are the core's. */
final class Json {
  private static final int MAX_DEPTH = 500;

  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  /** Returns a Map, List, String, Double, Boolean or null. Throws IllegalArgumentException for what is not JSON. */
  static Object parse(String text) {
    Json reader = new Json(text);
    Object value = reader.value(0);
    if (reader.peek() != 0) {
      throw new IllegalArgumentException("not JSON");
    }
    return value;
  }

  static List<Violation> violations(String text) {
    List<Violation> found = new ArrayList<>();
    for (Object each : (List<?>) parse(text)) {
      Map<?, ?> violation = (Map<?, ?>) each;
      found.add(
          new Violation(
              (String) violation.get("path"), (String) violation.get("rule"), (String) violation.get("message")));
    }
    return List.copyOf(found);
  }

  /** Returns the next character that is no space, or 0 at the end. */
  private char peek() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
    return at < text.length() ? text.charAt(at) : 0;
  }

  private void take(char expected) {
    if (peek() != expected) {
      throw new IllegalArgumentException("not JSON");
    }
    at++;
  }

  private Object value(int depth) {
    if (depth > MAX_DEPTH) {
      throw new IllegalArgumentException("too deep");
    }
    return switch (peek()) {
      case '{' -> object(depth);
      case '[' -> array(depth);
      case '"' -> string();
      default -> word();
    };
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> members = new LinkedHashMap<>();
    take('{');
    while (peek() != '}') {
      if (!members.isEmpty()) {
        take(',');
        peek();
      }
      String name = string();
      take(':');
      members.put(name, value(depth + 1));
    }
    take('}');
    return members;
  }

  private List<Object> array(int depth) {
    List<Object> items = new ArrayList<>();
    take('[');
    while (peek() != ']') {
      if (!items.isEmpty()) {
        take(',');
      }
      items.add(value(depth + 1));
    }
    take(']');
    return items;
  }

  private String string() {
    take('"');
    StringBuilder found = new StringBuilder();
    for (char c = next(); c != '"'; c = next()) {
      found.append(c == '\\' ? escaped() : c);
    }
    return found.toString();
  }

  private char next() {
    if (at >= text.length()) {
      throw new IllegalArgumentException("not JSON");
    }
    return text.charAt(at++);
  }

  private char escaped() {
    char c = next();
    int short_ = "bfnrt".indexOf(c);
    if (short_ >= 0) {
      return "\b\f\n\r\t".charAt(short_);
    }
    if (c != 'u') {
      return c;
    }
    int start = at;
    at = Math.min(at + 4, text.length());
    return (char) Integer.parseInt(text, start, at, 16);
  }

  private Object word() {
    int start = at;
    while (at < text.length() && ",:]} \t\r\n".indexOf(text.charAt(at)) < 0) {
      at++;
    }
    String word = text.substring(start, at);
    return switch (word) {
      case "null" -> null;
      case "true" -> true;
      case "false" -> false;
      default -> Double.valueOf(word);
    };
  }
}
