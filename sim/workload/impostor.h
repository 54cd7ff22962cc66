// sim/workload/impostor.h: a server that is no node of the store, although
// clients have its address.
//
// It executes nothing. To the question for the owners of slots it answers with
// values of any type, or with nodes that do not exist. Every other request gets
// an error that denies its execution, or bytes that are no reply.
#ifndef QUORATE_SIM_WORKLOAD_IMPOSTOR_H_
#define QUORATE_SIM_WORKLOAD_IMPOSTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"

namespace quorate::sim {

class Impostor {
 public:
  Impostor(env::Env& env, const std::string& address);
  ~Impostor();
  Impostor(const Impostor&) = delete;
  Impostor& operator=(const Impostor&) = delete;

  // Ends listening and all connections, in a turn of its own.
  void Stop();
  // How many requests it answered.
  uint64_t answered() const { return answered_; }

 private:
  class Visit;

  std::string DrawAnswer(bool asks_for_slots);

  env::Env& env_;
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Visit>> visits_;
  uint64_t answered_ = 0;
  env::Pending end_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_IMPOSTOR_H_
