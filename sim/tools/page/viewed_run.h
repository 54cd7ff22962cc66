// sim/tools/page/viewed_run.h: the records and observations of a run, with the
// part of them that a view shows.
#ifndef QUORATE_SIM_TOOLS_PAGE_VIEWED_RUN_H_
#define QUORATE_SIM_TOOLS_PAGE_VIEWED_RUN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/choices/observation.h"
#include "sim/choices/sim_time.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {

inline constexpr size_t kPageEventsMax = 20'000;

struct RunPageInput {
  std::string title;
  std::vector<std::string> violations;
  // The names of machines, from the first one on.
  std::vector<std::string> names;
  const std::vector<TraceRecord>* trace = nullptr;
  const std::vector<Observation>* observations = nullptr;
  // The records around this time, or around this record, are shown. Empty: the
  // last ones.
  std::optional<SimTime> around;
  uint64_t around_record = 0;
};

// A call of a client. Records are named by their numbers, which count from 1.
struct ViewedCall {
  std::string client;
  MachineId machine;
  std::string words;
  SimTime begin;
  uint64_t begin_record = 0;
  std::optional<SimTime> end;  // Empty: it has not ended.
  uint64_t end_record = 0;
  std::string outcome;  // "answer", "refused", "unknown", or empty.
  std::string answer;
};

class ViewedRun {
 public:
  // The input outlives the object.
  explicit ViewedRun(const RunPageInput& input);

  const RunPageInput& input() const { return input_; }
  const std::vector<TraceRecord>& trace() const { return *input_.trace; }
  const std::vector<Observation>& observations() const {
    return *input_.observations;
  }
  // The places [begin, end) in the trace that are shown.
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  // The record with which a view begins.
  uint64_t middle() const { return middle_; }
  // All calls, in order of their beginnings.
  const std::vector<ViewedCall>& calls() const { return calls_; }
  // Whether some of the call is in the shown part.
  bool Shows(const ViewedCall& call) const {
    return call.begin_record <= end_ &&
           (!call.end.has_value() || call.end_record >= begin_);
  }
  // Observations of the shown part, and before them the last one of each
  // replica before it.
  const std::vector<const Observation*>& shown() const { return shown_; }

  // The machine's name; "world" for none.
  std::string NameOf(MachineId machine) const;
  // A node has replicas.
  bool IsNode(MachineId machine) const;
  // Null: no such record.
  const TraceRecord* Find(uint64_t number) const {
    return number >= 1 && number <= trace().size() ? &trace()[number - 1]
                                                   : nullptr;
  }
  // The event in words for people.
  std::string WordsOf(const TraceRecord& record) const;

 private:
  void FindWindow();
  void FindCalls();
  void FindShown();

  const RunPageInput& input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t middle_ = 0;
  std::vector<ViewedCall> calls_;
  std::vector<const Observation*> shown_;
  std::vector<bool> nodes_;  // By number of the machine.
};

// Whether the event says only what another one says: a fault that is the end or
// the start of a machine.
bool IsRepeated(const TraceRecord& record);

// "12.345678 s".
std::string SecondsOf(SimTime time);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_VIEWED_RUN_H_
