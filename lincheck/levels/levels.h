// lincheck/levels/levels.h: how much a history keeps of what stores promise,
// from linearizability down to the guarantees of single sessions.
//
// A session is a client. Its guarantees are checked for each partition alone.
//
// Levels below linearizability are checked where each operation names the write
// that it saw, by versions or by values that differ. Versions count the writes
// of their partition upwards. A linearizable partition keeps all levels but
// kSequential, which joins partitions. A level is kUnknown if the facts of some
// partition do not suffice, and no known fact refutes it. A client saw the
// version that its operation tells or, without versions, the value of its
// result. A write takes effect after the states that it saw.
#ifndef QUORATE_LINCHECK_LEVELS_LEVELS_H_
#define QUORATE_LINCHECK_LEVELS_LEVELS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// Strongest first: each implies those that follow, but for the last four, which
// stand beside each other and together are kSessions.
enum class ConsistencyLevel : uint8_t {
  kLinearizable,       // As if each operation took effect at once, at some
                       // moment between its invocation and its return.
  kSequential,         // As if in one order of all that keeps every client's
                       // own order.
  kSessions,           // All of the following, by one order of the writes.
  kReadYourWrites,     // A client sees its own earlier writes, or later ones.
  kMonotonicReads,     // A client never sees an older state than before.
  kMonotonicWrites,    // A client's writes take effect in its order.
  kWritesFollowReads,  // A client's write comes after what it saw before.
};
inline constexpr size_t kLevelCount = 7;
std::string_view LevelName(ConsistencyLevel level);

struct LevelVerdict {
  ConsistencyLevel level = ConsistencyLevel::kLinearizable;
  Result result = Result::kUnknown;
  // kViolation, kUnknown: why, in words.
  std::string reason;
  // kViolation: the operations (indices into History::operations()) that the
  // reason names. Each has to follow the one before it, and the first one has
  // to follow the last.
  std::vector<size_t> witness;
};

// How far reads lag behind. A read lags by the versions that replaced the one
// it saw and were acknowledged before it began. It also lags by the time since
// the first of them returned.
struct Staleness {
  // kOk: measured. kUnknown: the order of writes is not known. kViolation: some
  // read saw what no write of the history wrote.
  Result result = Result::kUnknown;
  std::string reason;  // If not kOk.
  // The least bounds that hold: 0 for a history in which no read is stale.
  // Without versions: those of an order of writes that explains what was seen
  // and keeps the time of writes; another one might have less.
  uint64_t versions_max = 0;
  Time time_max = 0;
};

struct LevelsVerdict {
  std::vector<LevelVerdict> levels;  // All, in the order of ConsistencyLevel.
  // The first that holds; its predecessor has the witness. Nothing if none is
  // known to hold.
  std::optional<ConsistencyLevel> strongest;
  Staleness staleness;
  // Of linearizability, with its counter-example.
  Verdict linearizability;
};

// `linearizability` is the answer of Check() about the history. The limits of
// memory and time in `options` count; a level beyond them is unknown.
LevelsVerdict CheckLevels(const History& history, const Model& model,
                          Verdict linearizability,
                          const CheckOptions& options = {});

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_LEVELS_H_
