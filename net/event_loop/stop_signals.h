// net/event_loop/stop_signals.h: the signals on which every server of this
// project stops cleanly.
#ifndef QUORATE_NET_EVENT_LOOP_STOP_SIGNALS_H_
#define QUORATE_NET_EVENT_LOOP_STOP_SIGNALS_H_

#include <signal.h>

#include <vector>

namespace quorate::net {

// SIGTERM, SIGINT, and SIGHUP, which comes when a terminal closes. SIGHUP is
// left out if the caller of the program had it ignored, as nohup does.
inline std::vector<int> StopSignals() {
  std::vector<int> signals = {SIGTERM, SIGINT};
  struct sigaction now = {};
  if (sigaction(SIGHUP, nullptr, &now) != 0 || now.sa_handler != SIG_IGN) {
    signals.push_back(SIGHUP);
  }
  return signals;
}

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_STOP_SIGNALS_H_
