package chatpb;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Text as UTF-8 and back, where Java's own methods would silently replace what cannot be converted. */
final class Utf8 {
  private Utf8() {}

  static byte[] encode(String text) throws ChatpbException {
    for (int at = 0; at < text.length(); at++) {
      if (Character.isSurrogate(text.charAt(at))) {
        boolean isPair = at + 1 < text.length() && Character.isSurrogatePair(text.charAt(at), text.charAt(at + 1));
        if (!isPair) {
          throw loneSurrogate(text.substring(0, at));
        }
        at++;
      }
    }
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static ChatpbException loneSurrogate(String before) {
    long line = 1 + before.chars().filter(c -> c == '\n').count();
    int start = before.lastIndexOf('\n') + 1;
    long column = 1 + before.codePointCount(start, before.length());
    long offset = before.getBytes(StandardCharsets.UTF_8).length;
    return ChatpbException.json("", line, column, offset, "a lone surrogate, which UTF-8 cannot encode");
  }

  static String decode(byte[] bytes, int start, int end) throws CharacterCodingException {
    return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, start, end - start)).toString();
  }
}
