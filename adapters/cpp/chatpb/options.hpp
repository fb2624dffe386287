// Options of calls, joined by `|`. A function takes those that it has; another one does not compile.
#ifndef CHATPB_OPTIONS_HPP
#define CHATPB_OPTIONS_HPP

#include <chatpb.h>

#include <cstdint>
#include <type_traits>

namespace chatpb {

/// A set of options, of those in `Known`.
template <std::uint32_t Known>
class Options {
 public:
  constexpr Options() = default;

  template <std::uint32_t Given, std::enable_if_t<(Given & ~Known) == 0, int> = 0>
  constexpr Options(Options<Given> options) : bits_(options.bits()) {}

  constexpr std::uint32_t bits() const { return bits_; }

  /// Return the options that are in `Some`.
  template <std::uint32_t Some>
  constexpr Options<Some> only() const {
    return Options<Some>::of(bits_ & Some);
  }

  static constexpr Options of(std::uint32_t bits) {
    Options made;
    made.bits_ = bits;
    return made;
  }

 private:
  std::uint32_t bits_ = 0;
};

template <std::uint32_t One, std::uint32_t Other>
constexpr Options<(One | Other)> operator|(Options<One> one, Options<Other> other) {
  return Options<(One | Other)>::of(one.bits() | other.bits());
}

/// No option: `is_strict ? chatpb::strict : chatpb::none`.
inline constexpr Options<0> none;
/// Equal documents give equal bytes, also if their members come in another order.
inline constexpr auto canonical = Options<CHATPB_CANONICAL>::of(CHATPB_CANONICAL);
/// NaN and the infinities are accepted.
inline constexpr auto nonfinite = Options<CHATPB_NONFINITE>::of(CHATPB_NONFINITE);
/// The required members that no home holds are printed, as null where the contract allows it, else as [] or {} if they are
/// arrays or maps. Others stay out.
inline constexpr auto fill_required = Options<CHATPB_FILL_REQUIRED>::of(CHATPB_FILL_REQUIRED);
/// A field that the contract does not have is left out. Without this option it is an error.
inline constexpr auto skip_unknown = Options<CHATPB_SKIP_UNKNOWN>::of(CHATPB_SKIP_UNKNOWN);
/// To wire: a document that breaks the contract so that typed readers fail is a ContractError.
/// To validate: only what makes such readers fail is a violation.
inline constexpr auto strict = Options<CHATPB_STRICT>::of(CHATPB_STRICT);
/// The chunks of a split completion leave out the members that come at the end of a stream, such as the usage.
inline constexpr auto without_usage = Options<CHATPB_WITHOUT_USAGE>::of(CHATPB_WITHOUT_USAGE);

using JsonToWireOptions = Options<CHATPB_CANONICAL | CHATPB_NONFINITE | CHATPB_STRICT>;
using WireToJsonOptions = Options<CHATPB_NONFINITE | CHATPB_FILL_REQUIRED | CHATPB_SKIP_UNKNOWN>;
using ValidateOptions = Options<CHATPB_STRICT>;
using AccumulatorOptions = Options<CHATPB_NONFINITE | CHATPB_SKIP_UNKNOWN>;
using SplitOptions = Options<CHATPB_NONFINITE | CHATPB_SKIP_UNKNOWN | CHATPB_WITHOUT_USAGE>;

}  // namespace chatpb

#endif
