package chatpb;

/**
 * One way in which a message breaks the contract.
 *
 * @param path JSON Pointer (RFC 6901) of the member.
 * @param rule the id of the broken rule, from the list in docs/mapping.md.
 * @param message what is wrong, in one sentence. It names types and members, but never a value.
 */
public record Violation(String path, String rule, String message) {
  @Override
  public String toString() {
    return (path.isEmpty() ? "document" : path) + ": " + message + " [" + rule + "]";
  }
}
