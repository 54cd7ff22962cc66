// sim/workload/client_habits.h: the habits that distinguish one simulated
// client from another. A run draws them for each client.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_

#include <cstdint>

namespace quorate::sim {

// The memory that a client process has of the life before its crash.
enum class ClientMemory : uint8_t {
  kNothing,  // It opens a new session.
  // It goes on with the token and the next sequence number of its sessions, but
  // has forgotten their open operations.
  kSessions,
  kOperations,  // It tries the open operations of its sessions again.
};

struct ClientHabits {
  // Connects to the addresses of cluster clients and follows MOVED.
  bool cluster = false;
  // Stays with one node for slots whose leader it does not know.
  bool stays_with_node = false;
  bool stale_reads = false;  // Some of its reads may return an old state.
  // Reads some keys right after a write, at another node.
  bool reads_back = false;
  // Writes carry a session stamp and are retried until they are answered.
  bool sessions = false;
  uint32_t sessions_max = 1;  // Sessions in use at a time.
  // Uses a session for new writes only in the first half of its open window,
  // the time in which a slot accepts it as new. A client without this habit
  // receives SESSION_EXPIRED.
  bool renews_sessions = true;
  // Holds writes back while a slot may have to remember the results of
  // kSessionOutstandingMax earlier ones. A client without this habit is
  // answered SESSION_FULL, and gives the write up.
  bool holds_back = true;
  // Its process is killed sometimes, and starts again with this memory.
  bool crashes = false;
  ClientMemory memory = ClientMemory::kNothing;
  bool pauses = false;       // Its process stands still sometimes.
  bool reads_late = false;   // Reads nothing for seconds sometimes.
  bool half_closes = false;  // Ends connections after a pipeline sometimes.
  // Sends a part of a request sometimes, and closes the connection.
  bool vanishes = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_HABITS_H_
