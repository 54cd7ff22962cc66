// sim/network/stream_net.h: the byte streams of a world: bytes in flight, bytes
// that wait at either end, and faults.
//
// Each direction is a pipe. Bytes wait at the sender while the receiver's
// buffer is full. They travel in segments, which arrive in order, and wait at
// the receiver until its program reads. A segment that cannot get through is
// sent again until it arrives or the sender gives up.
#ifndef QUORATE_SIM_NETWORK_STREAM_NET_H_
#define QUORATE_SIM_NETWORK_STREAM_NET_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "env/byte_streams.h"
#include "env/slot_pool.h"
#include "sim/network/byte_queue.h"
#include "sim/network/network.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

class NodeStreams;

// One end of a stream as its machine knows it.
struct StreamEnd {
  enum class State : uint8_t {
    kOpen,  // The program has the Connection.
    // The program closed it or died. The machine still sends accepted bytes and
    // replies with resets.
    kClosed,
    // The machine lost power. It sends nothing until it runs again and replies
    // with resets.
    kGone,
  };
  NodeStreams* node = nullptr;
  State state = State::kOpen;
  env::Connection::Observer* observer = nullptr;
  std::string peer_address;
  bool paused = false;
  // End was called, or the stream is closed. Nothing more is written.
  bool ended = false;
  bool fin_sent = false;
  bool input_queued = false;
  bool handed_out = false;
  int unobserved = 0;    // Turns in which no observer was set for a result.
  bool dirty = false;    // It wrote bytes in this turn.
  absl::Status failure;  // Not OK: the stream failed. It is reported once.
  bool failure_reported = false;
  // Sending.
  ByteQueue unsent;
  size_t unsent_bytes = 0;
  uint64_t written_bytes = 0;
  // Bytes waited at the end of some turn, so OnDrained must follow.
  bool was_unsent = false;
  bool drained = false;  // OnDrained is due.
  // Receiving.
  ByteQueue received;
  size_t received_bytes = 0;
  bool fin_received = false;
  bool fin_reported = false;
};

// From end i to end 1 - i.
struct StreamPipe {
  struct Segment {
    Buffer bytes;
    SimTime departs;
    SimTime arrives;
    bool fin = false;
  };
  std::deque<Segment> in_flight;
  size_t bytes = 0;
  SimTime last_arrival = SimTime::Min();
  SimTime stuck_since = SimTime::Max();
  EventQueue::Handle arrival = 0;  // The event of the first segment's arrival.
  uint64_t segments = 0;
  uint64_t arrivals = 0;
  int attempts = 0;
};

struct Stream {
  // Identifies the stream in choices: describes the connect.
  uint64_t key = 0;
  // The listener of end 1, until the stream is accepted.
  uint64_t listener = 0;
  std::array<StreamEnd, 2> ends;  // End 0 connected, end 1 accepted.
  std::array<StreamPipe, 2> pipes;
};

class StreamNet {
 public:
  StreamNet(SimState* state, Network* network)
      : state_(state), network_(network) {}

  void AddMachine(NodeStreams* node) { nodes_.push_back(node); }
  NodeStreams* machine(MachineId id) { return nodes_[id.value()]; }
  // The client shows itself to the server as `client_address`.
  uint64_t Create(uint64_t key, NodeStreams* client, NodeStreams* server,
                  const std::string& address, const std::string& client_address,
                  uint64_t listener);
  // Null if the stream is gone.
  Stream* Find(uint64_t id) {
    std::unique_ptr<Stream>* stream = streams_.Find(id);
    return stream == nullptr ? nullptr : stream->get();
  }

  // ---- Called for programs, inside turns or outside. `side` is their end.
  void Write(uint64_t id, int side, Buffer bytes);
  void End(uint64_t id, int side);
  void Close(uint64_t id, int side);
  void SetObserver(uint64_t id, int side, env::Connection::Observer* observer);
  // The program gets the connection now. It must set an observer in this turn.
  void HandOut(uint64_t id, int side) {
    Find(id)->ends[side].handed_out = true;
  }
  void SetPaused(uint64_t id, int side, bool paused);
  // Sends queued bytes, at the end of a turn.
  void Flush(uint64_t id, int side);

  // ---- Called by the world.
  // The machine to which the event happens; zero: the stream is gone.
  MachineId ReceiverOf(const QueuedEvent& event);
  void PipeEvent(const QueuedEvent& event);  // Handles kEventPipe.
  // Reports waiting results to the program, in its turn. `input` is the id of
  // the queued input.
  void RunInput(uint64_t input);
  void MachineDied(NodeStreams* node, bool power_lost);
  void ResetAll(NodeStreams* node);
  // Both ends fail, and bytes in flight are lost.
  void Reset(uint64_t id, const std::string& why);

  SimState& state() { return *state_; }
  Network& network() { return *network_; }

 private:
  // Values of QueuedEvent::target.
  enum Step : uint32_t { kArrive, kPump, kRefused };
  enum class From : uint8_t { kWorld, kProgram };

  void PushStep(SimTime time, Step step, uint64_t id, int side);
  // Sets the arrival of the first segment of `pipe` to `time`. The pipe begins
  // at end `side` of stream `id`.
  void ScheduleArrival(SimTime time, uint64_t id, int side, StreamPipe* pipe);
  void Pump(uint64_t id, int side, From from);
  void SendSegment(uint64_t id, int side, Stream* stream, Buffer bytes,
                   bool fin);
  void Arrive(uint64_t id, int side);
  void Deliver(uint64_t id, int side);
  void Retry(uint64_t id, int side);
  void Refuse(uint64_t id, int side);
  // Reports to the end that the stream failed.
  void Fail(uint64_t id, int side, const std::string& why, From from);
  void QueueInput(uint64_t id, int side, From from);
  bool TellBytes(uint64_t id, int side);
  void MaybeRemove(uint64_t id);
  NetworkLink& LinkOf(const StreamEnd& from, const StreamEnd& to);
  Duration LatencyTo(const StreamEnd& from, const StreamEnd& to);
  void DropPipe(StreamPipe* pipe);

  SimState* const state_;
  Network* const network_;
  std::vector<NodeStreams*> nodes_{nullptr};  // By machine.
  SlotPool<std::unique_ptr<Stream>> streams_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_STREAM_NET_H_
