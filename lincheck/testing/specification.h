// lincheck/testing/specification.h: second definitions of the models, for
// tests.
//
// Each specification follows the words of docs/reference/formats/history.md in
// the most literal way and uses nothing of the models. Models ask whether a
// result is possible. A specification gives all results: a World is one state,
// hidden moments and tokens included, and Do() gives every outcome of a call in
// it.
#ifndef QUORATE_LINCHECK_TESTING_SPECIFICATION_H_
#define QUORATE_LINCHECK_TESTING_SPECIFICATION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lincheck/history.h"
#include "lincheck/models/datum.h"

namespace quorate::lincheck::specification {

// A value: nil, an integer, or bytes. Unlike a Value it holds all integers of
// 64 bits.
using Item = std::variant<std::monostate, int64_t, std::string>;
Item ItemOf(Value value);
Item ItemOf(const Datum& datum);
// A Value that ItemOf() takes for `item`.
Value ValueOf(const Item& item, ValueArena* arena);
// As it is once something is appended to it.
std::string TextOf(const Item& item);

// The result that a caller gets.
struct Reply {
  enum class Kind : uint8_t {
    kNothing,  // There is no result.
    kOne,      // items[0].
    kList,     // items, in this order.
    kBag,      // items, in any order.
  };
  Kind kind = Kind::kNothing;
  std::vector<Item> items;

  // Whether `result`, as a history has it, says the same.
  bool Fits(Value result) const;
};

struct Call {
  std::string_view function;
  Value argument;
  Value expected;
  Time invoke = 0;  // It takes effect at a whole moment between these two.
  Time ret = 0;
};

template <typename World>
struct SpecifiedOutcome {
  World after;
  Reply reply;
};
// Empty: the call is impossible.
template <typename World>
using Outcomes = std::vector<SpecifiedOutcome<World>>;

struct RegisterSpecification {
  using World = Item;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct CasRegisterSpecification {
  using World = Item;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct KvSpecification {
  using World = Item;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct ExpiringKvSpecification {
  struct World {
    Item value;
    std::optional<Time> end;  // From then on it is not there.
    Time now = 0;

    friend auto operator<=>(const World&, const World&) = default;
  };
  // Calls that never returned took effect by then, or when the key ends.
  Time horizon = 0;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct SetSpecification {
  using World = std::set<Item>;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct QueueSpecification {
  using World = std::vector<Item>;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct LockSpecification {
  struct World {
    std::optional<int64_t> holder;  // The token of its holder.
    std::optional<int64_t> last;    // The greatest token there ever was.

    friend auto operator<=>(const World&, const World&) = default;
  };
  // All tokens that there may be.
  std::vector<int64_t> tokens;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct MutexSpecification {
  using World = bool;  // Held.
  Outcomes<World> Do(const World& world, const Call& call) const;
};

struct TransactionSpecification {
  // Of keys that were written; the others hold `initial`.
  using World = std::map<Item, Item>;
  Item initial;
  Outcomes<World> Do(const World& world, const Call& call) const;
};

}  // namespace quorate::lincheck::specification

#endif  // QUORATE_LINCHECK_TESTING_SPECIFICATION_H_
