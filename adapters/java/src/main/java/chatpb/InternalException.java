package chatpb;

/** A defect of chatpb, or memory or stack that ran out. Other calls are not touched by it. */
public final class InternalException extends RuntimeException {
  private static final long serialVersionUID = 1;

  InternalException(String message, Throwable cause) {
    super(message, cause);
  }
}
