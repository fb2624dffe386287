package chatpb;

/** Descriptors are malformed, lack the message type, or describe what the mapping cannot hold. */
public final class SchemaException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  SchemaException(String message) {
    super(message);
  }
}
