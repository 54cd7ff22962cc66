// sim/choices/trace_hash.h: the stream of all events of a run, with their
// causes and a rolling 128-bit hash. It is always on.
//
// Reports, marks, timelines and comparisons of runs draw from it.
//
// Runs of one seed have the same hash in every process, at every optimisation
// level, with every compiler. If hashes differ, runs with records show the
// first event that differs.
#ifndef QUORATE_SIM_CHOICES_TRACE_HASH_H_
#define QUORATE_SIM_CHOICES_TRACE_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/choices/sim_time.h"

namespace quorate::sim {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  // 32 hexadecimal digits.
  std::string ToString() const;
};

// 64-bit hash of bytes: XXH3, the same everywhere.
uint64_t HashBytes(std::string_view bytes);

enum class TraceKind : uint8_t {
  kBoot,
  kCrash,
  kTimer,
  kMessage,
  kDiskIssue,       // An operation that a program issued.
  kDiskCompletion,  // The result that it received.
  kStreamBytes,
  kStreamEvent,
  kConnect,
  kLaneReady,  // A lane of the transport of messages has room again.
  kNote,       // A program or a replica did something, in words.
  kFault,      // A fault hit. The event has its name.
  kMark,       // A mark was reached (env::Tracer). The event has its name.
  kPoint,      // A point of env::Buggify fired. The event has its name.
  kPlan,       // The schedule planned what other events will show.
  kDeed,       // The schedule did something, in words.
  kPartitionBegins,  // The payload is the number of the partition.
  kPartitionEnds,
  kLead,  // A replica began to lead. The payload is a LeadPayload.
};
inline constexpr size_t kTraceKinds = static_cast<size_t>(TraceKind::kLead) + 1;
std::string_view TraceKindName(TraceKind kind);

struct TraceRecord {
  SimTime time;
  MachineId machine;
  TraceKind kind = TraceKind::kNote;
  // The hash of the bytes, or a number that identifies the event.
  uint64_t payload = 0;
  // The number of the record that caused it: of the turn that sent the message,
  // issued the operation or set the timer. Records count from 1. 0: the world.
  uint64_t cause = 0;
  std::string detail;  // The event in words.
  // The same event, whatever caused it.
  friend bool operator==(const TraceRecord& a, const TraceRecord& b) {
    return a.time == b.time && a.machine == b.machine && a.kind == b.kind &&
           a.payload == b.payload;
  }
  // "t=1.000000500 m2 message 00c4… <-17 from m1".
  std::string ToString() const;
};

// The payload of TraceKind::kLead. Terms of a run are below 2^40.
struct LeadPayload {
  uint64_t group;
  uint64_t term;
  uint64_t Pack() const { return group << 40 | term; }
  static LeadPayload Of(uint64_t payload) {
    return {payload >> 40, payload & ((uint64_t{1} << 40) - 1)};
  }
};

class TraceHash {
 public:
  // If not `hashes_bytes`, the hash covers only times, kinds and numbers.
  explicit TraceHash(bool keep_records, bool hashes_bytes = true)
      : keep_(keep_records), hashes_bytes_(hashes_bytes) {}
  TraceHash(const TraceHash&) = delete;
  TraceHash& operator=(const TraceHash&) = delete;

  void Add(SimTime time, MachineId machine, TraceKind kind, uint64_t payload);
  void Add(SimTime time, MachineId machine, TraceKind kind,
           std::string_view bytes) {
    Add(time, machine, kind, Of(bytes));
  }
  // An event that is known by a name, such as a mark. Events are counted by
  // kind and name.
  void AddNamed(SimTime time, MachineId machine, TraceKind kind,
                std::string_view name);
  // An event of the story of the run, in words for people.
  void AddToStory(SimTime time, MachineId machine, TraceKind kind,
                  uint64_t payload, std::string words);
  // `hook` receives each event of the story from now on, in order of time.
  void SetStoryHook(std::function<void(const TraceRecord&)> hook) {
    story_hook_ = std::move(hook);
  }
  // The hash of `bytes`, for the payload of a record; 0 if bytes are not
  // hashed.
  uint64_t Of(std::string_view bytes) const {
    return hashes_bytes_ ? HashBytes(bytes) : 0;
  }

  // Adds words to the last record. Call it only if records are kept.
  void Detail(std::string words) { records_.back().detail = std::move(words); }
  bool keeps_records() const { return keep_; }

  // The cause of what happens next. Add changes it where a program's code
  // runs.
  const uint64_t& cause() const { return cause_; }
  void SetCause(uint64_t cause) { cause_ = cause; }

  Hash128 value() const { return {low_, high_}; }

  // From now on keeps a hash of the history of each machine, which has its
  // events since its last crash. Faults are left out, since a machine need not
  // learn of them. Machines are deterministic: after equal histories, those
  // that had equal states at the crash have equal states.
  void FollowMachines() { follows_ = true; }
  uint64_t history(MachineId machine) const {
    return machine.value() < histories_.size() ? histories_[machine.value()]
                                               : 0;
  }

  uint64_t count() const { return count_; }
  uint64_t count(TraceKind kind) const {
    return counts_[static_cast<size_t>(kind)];
  }
  // How often the events of this kind had each name.
  using Counts = std::map<std::string, uint64_t, std::less<>>;
  const Counts& named(TraceKind kind) const {
    return named_[static_cast<size_t>(kind)];
  }
  const std::vector<TraceRecord>& records() const { return records_; }
  // The records of starts, crashes, partitions, leaderships and the doings of
  // the schedule, which are kept in any case.
  const std::vector<TraceRecord>& story() const { return story_; }

 private:
  // Adds an event, and does not call the hook.
  void Append(SimTime time, MachineId machine, TraceKind kind,
              uint64_t payload);
  [[gnu::noinline]] void Follow(MachineId machine, TraceKind kind,
                                uint64_t event);
  // Stores the event in the lists that have it.
  [[gnu::noinline]] void Keep(SimTime time, MachineId machine, TraceKind kind,
                              uint64_t payload);

  uint64_t low_ = 0x243f6a8885a308d3;
  uint64_t high_ = 0x13198a2e03707344;
  uint64_t count_ = 0;
  std::array<uint64_t, 256> counts_{};  // By kind, valid or not.
  std::array<Counts, kTraceKinds> named_;
  // The last counts that were raised, by a hash of kind and name; null: none.
  std::array<Counts::value_type*, 64> recent_{};
  uint64_t cause_ = 0;
  const bool keep_;
  const bool hashes_bytes_;
  bool follows_ = false;
  std::vector<uint64_t> histories_;  // By machine.
  std::vector<TraceRecord> records_;
  std::vector<TraceRecord> story_;
  std::function<void(const TraceRecord&)> story_hook_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_TRACE_HASH_H_
