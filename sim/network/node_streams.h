// sim/network/node_streams.h: env::Streams of a simulated machine: its
// listeners and the streams that it opens. StreamNet moves the bytes between
// machines; this class does not know its faults.
#ifndef QUORATE_SIM_NETWORK_NODE_STREAMS_H_
#define QUORATE_SIM_NETWORK_NODE_STREAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/byte_streams.h"
#include "env/slot_pool.h"
#include "sim/network/stream_net.h"
#include "sim/state/turn_scheduler.h"

namespace quorate::sim {

class NodeStreams final : public env::Streams, public env::Pending::Source {
 public:
  NodeStreams(TurnScheduler* scheduler, StreamNet* net)
      : scheduler_(scheduler), net_(net) {
    net_->AddMachine(this);
  }

  // env::Streams.
  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(
      const std::string& address, Accept accept) override;
  env::Pending Connect(const std::string& address,
                       Connected connected) override;
  // env::Pending::Source, for connects.
  void Cancel(uint64_t id) override;

  // ---- Called by the machine and the world.
  void ConnectEvent(const QueuedEvent& event);  // Handles kEventConnect.
  void RunInput(uint64_t input) { net_->RunInput(input); }
  void RunConnect(uint64_t input);
  void EndTurn();
  void Die(bool power_lost);
  void PowerOn() { powered_ = true; }

  // ---- Called by the net.
  TurnScheduler& scheduler() { return *scheduler_; }
  void MarkDirty(uint64_t id, int side) { dirty_.push_back({id, side}); }
  // The machine lost power and has not started again.
  bool powered() const { return powered_; }

 private:
  friend class NodeListener;
  // The steps of a connect attempt (kEventConnect).
  enum Step : uint64_t { kAsk, kAnswer, kGiveUp };
  struct Listening {
    std::string address;
    // Shared, so that a callback may destroy its own listener.
    std::shared_ptr<Accept> accept;
  };
  struct Attempt {
    uint64_t key = 0;
    std::string address;
    Connected connected;
    SimTime gives_up;
    uint64_t fate = 0;  // 0: no fault, 1: refused, 2: no reply.
    Step next = kAsk;
    uint64_t stream = 0;
    absl::Status status;
  };

  void PushStep(SimTime time, Step step, uint64_t id);
  void Ask(uint64_t id, Attempt* attempt);
  void AcceptInTurn(uint64_t stream);
  void StopListening(uint64_t id);

  TurnScheduler* const scheduler_;
  StreamNet* const net_;
  bool powered_ = true;
  SlotPool<Listening> listeners_;
  SlotPool<Attempt> attempts_;
  uint64_t connects_ = 0;
  std::vector<std::pair<uint64_t, int>> dirty_;
  std::vector<std::pair<uint64_t, int>> flushing_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_NODE_STREAMS_H_
