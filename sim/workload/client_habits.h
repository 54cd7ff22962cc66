// sim/workload/client_habits.h: the habits that distinguish one simulated
// client from another. A run draws them for each client.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_

#include <cstdint>

namespace quorate::sim {

struct ClientHabits {
  // Connects to the addresses of cluster clients and follows MOVED.
  bool cluster = false;
  // Writes carry a session stamp and are retried until they are answered.
  bool sessions = false;
  uint32_t sessions_max = 1;  // Sessions in use at a time.
  // Holds writes back while a slot may have to remember the results of
  // kSessionOutstandingMax earlier ones. A client without this habit is
  // answered SESSION_FULL, and gives the write up.
  bool holds_back = true;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_
