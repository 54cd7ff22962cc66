// lincheck/formats/recording.h: what a history file holds: the operations, and
// what else is known of the time in which they happened.
#ifndef QUORATE_LINCHECK_FORMATS_RECORDING_H_
#define QUORATE_LINCHECK_FORMATS_RECORDING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/history.h"

namespace quorate::lincheck {

// The meaning of one step of Time.
enum class TimeUnit : uint8_t {
  kOrder,  // Nothing but before and after.
  kNanoseconds,
  kMicroseconds,
  kMilliseconds,
};
// Names of enumerators, also below, are for ParseName (lincheck/text/names.h).
inline constexpr std::string_view kTimeUnits[] = {"order", "ns", "us", "ms"};
std::string_view TimeUnitName(TimeUnit unit);

// Something that happened to the store under test: for people, not for the
// verdict.
struct TimelineEvent {
  enum class Kind : uint8_t { kFault, kLeader, kNote };
  Kind kind = Kind::kNote;
  Time at = 0;
  Time until = kNever;  // kNever: it has no end that is known.
  std::string node;     // Where; may be empty.
  std::string text;
};
inline constexpr std::string_view kTimelineEventKinds[] = {"fault", "leader",
                                                           "note"};
std::string_view TimelineEventKindName(TimelineEvent::Kind kind);

// Whether values are pairs of a key and a value (tuples of jepsen.independent).
enum class KeyForm : uint8_t {
  kAuto,         // The whole file says.
  kIndependent,  // All are.
  kNone,         // None is.
};
inline constexpr std::string_view kKeyForms[] = {"auto", "independent", "none"};

struct JepsenOptions {
  KeyForm keys = KeyForm::kAuto;
  // The store promises that a compare-and-swap fails only because it saw
  // another value than it expected. Otherwise :fail says no more than that it
  // did not take place.
  bool failed_cas_observes = false;
};

// The compare-and-swaps that end with :fail in the history of a Jepsen test.
struct FailedCas {
  bool observes = false;  // JepsenOptions::failed_cas_observes.
  uint64_t count = 0;
  // How many of them saw another value than they expected. They are operations
  // of the history; the others are left out.
  uint64_t observed = 0;
};
// By `observes`.
inline constexpr std::string_view kFailedCas[] = {"absent", "observes"};
// The meaning that a failed cas was read with, in a sentence. Empty if there is
// none.
std::string DescribeFailedCas(const FailedCas& failed);

struct Recording {
  History history;
  TimeUnit unit = TimeUnit::kOrder;
  std::vector<TimelineEvent> events;  // By `at`.
  std::string form;                   // Of the file: "jsonl", "edn", …
  std::string model;                  // As FindModel() knows it.
  // The initial value of objects, where it was told; else empty.
  std::string initial;
  FailedCas failed_cas;
  // Operations that certainly did not take place. The history lacks them.
  uint64_t left_out = 0;
};
// The model with what objects start as, where that was told.
std::string ModelText(const Recording& recording);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_RECORDING_H_
