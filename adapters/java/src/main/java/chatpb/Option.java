package chatpb;

import java.util.EnumSet;
import java.util.Set;

/** What a conversion does otherwise than by default. Each method names the options that it takes. */
public enum Option {
  /** To wire: the same document gives the same bytes, whatever the order of its members. */
  CANONICAL(1),
  /** Both ways: NaN, Infinity and -Infinity are numbers. */
  NONFINITE(2),
  /**
   * To JSON: the required members that no home holds are printed, as null where the contract allows
   * it, else as [] or {} if they are arrays or maps. Others stay out.
   */
  FILL_REQUIRED(4),
  /** To JSON, and of streams: a field that the contract does not have is left out. It is an error otherwise. */
  SKIP_UNKNOWN_FIELDS(8),
  /**
   * To wire: a document that breaks the contract so that typed readers fail is an error. To validate: what such readers take, a
   * member that is missing but may be null, is no violation.
   */
  STRICT(16),
  /** To split: the chunks leave out the members that come at the end of a stream, such as the usage. */
  WITHOUT_USAGE(32);

  static final Set<Option> TO_WIRE = EnumSet.of(CANONICAL, NONFINITE, STRICT);
  static final Set<Option> TO_JSON = EnumSet.of(NONFINITE, FILL_REQUIRED, SKIP_UNKNOWN_FIELDS);
  static final Set<Option> TO_VALIDATE = EnumSet.of(STRICT);
  static final Set<Option> TO_ACCUMULATE = EnumSet.of(NONFINITE, SKIP_UNKNOWN_FIELDS);
  static final Set<Option> TO_SPLIT = EnumSet.of(NONFINITE, SKIP_UNKNOWN_FIELDS, WITHOUT_USAGE);

  private final int flag;

  Option(int flag) {
    this.flag = flag;
  }

  /** Returns the flags of options, joined. */
  static int flags(Option[] options, Set<Option> taken) {
    int flags = 0;
    for (Option option : options) {
      if (!taken.contains(option)) {
        throw new IllegalArgumentException(option + " is no option of this method: it takes " + taken);
      }
      flags |= option.flag;
    }
    return flags;
  }
}
