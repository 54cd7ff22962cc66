// lincheck/levels.h: how much a history keeps of what stores promise, from
// linearizability down to the guarantees of single sessions.
//
// A session is a client; its guarantees are judged for each partition alone.
// The levels below linearizability are judged where each operation names the
// write it met: by versions, which then count the writes of their partition
// upwards (later writes have greater versions), or by values that differ. A
// partition that is linearizable keeps them all, but for kSequential, which
// binds partitions together. A level of whose partitions less is known is
// kUnknown unless what is known refutes it already. What a client saw is the
// version that an operation tells, or, without versions, what its result shows;
// a write takes effect after whatever it met.
#ifndef QUORATE_LINCHECK_LEVELS_H_
#define QUORATE_LINCHECK_LEVELS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/checker.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

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
  // kViolation: operations (indices into History::operations()) that contradict
  // the level even if all others have an unknown outcome: first those that the
  // reason names, each of which has to follow the one before it and the first
  // the last; then those that show what these did.
  std::vector<size_t> witness;
};

// How far reads lag behind. A read lags by the versions that were written over
// the one it saw and acknowledged before it began, and by the time since the
// first of them returned.
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
  // The read that lags so far and the first write that it missed, as above.
  // Nothing if no read lags.
  std::vector<size_t> versions_witness;
  std::vector<size_t> time_witness;
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

// `linearizability` is what Check() says of the history. Of the options memory
// and the deadline count: what they leave no room for is unknown.
LevelsVerdict CheckLevels(const History& history, const Model& model,
                          Verdict linearizability,
                          const CheckOptions& options = {});

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_H_
