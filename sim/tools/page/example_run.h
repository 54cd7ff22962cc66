// sim/tools/page/example_run.h: a run of three nodes and two clients, made by
// hand for tests of pages. It has a message of each kind, and a former leader
// that answers a read with an old value.
#ifndef QUORATE_SIM_TOOLS_PAGE_EXAMPLE_RUN_H_
#define QUORATE_SIM_TOOLS_PAGE_EXAMPLE_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sim/choices/observation.h"
#include "sim/choices/trace_hash.h"
#include "sim/tools/page/viewed_run.h"

namespace quorate::sim {

class ExampleRun {
 public:
  ExampleRun();
  ExampleRun(const ExampleRun&) = delete;
  ExampleRun& operator=(const ExampleRun&) = delete;

  const RunPageInput& input() const { return input_; }

 private:
  // Returns the number of the record.
  uint64_t Add(int64_t ms, uint32_t machine, TraceKind kind, uint64_t cause,
               std::string detail);
  void See(uint32_t machine, Observation::Kind kind, std::string subject,
           std::string headline, std::string words);
  void SeeReplica(uint32_t node, std::string headline, int applied,
                  int on_disk);
  void SeeEntry(uint32_t node, std::string headline, int index,
                std::string words);
  void Elect();
  void Write();
  void ReadFromTheFormerLeader();

  std::vector<TraceRecord> trace_;
  std::vector<Observation> observations_;
  RunPageInput input_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_EXAMPLE_RUN_H_
