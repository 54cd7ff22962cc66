// sim/run/client_fleet.h: all simulated clients of a run, each on a machine of
// its own.
//
// Draws their habits, starts them, and kills, restarts and pauses the processes
// of clients that have such habits. Each of these events is a choice of the
// world: a deleted line of a tape leaves it out.
#ifndef QUORATE_SIM_RUN_CLIENT_FLEET_H_
#define QUORATE_SIM_RUN_CLIENT_FLEET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/time.h"
#include "sim/checks/recorder.h"
#include "sim/cluster/cluster.h"
#include "sim/run/shape.h"
#include "sim/workload/calm_client.h"
#include "sim/workload/client.h"
#include "sim/workload/deep_client.h"
#include "sim/workload/flush_client.h"
#include "sim/workload/impostor.h"
#include "sim/workload/noise_client.h"
#include "sim/workload/operation_generator.h"
#include "sim/workload/simple_client.h"
#include "sim/workload/surface_client.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ClientFleetOptions {
  Shape shape;
  // Processes are killed and paused. False: clients do not fail.
  bool failures = true;
  // Clients fail in this time from the beginning of the run on.
  Duration failing_time = Seconds(40);
  // Requests and replies may be lost, so clients wait for a limited time.
  // Addresses may belong to other servers, and a client may close the
  // connections of others. False: clients wait for each reply, so each outcome
  // is known.
  bool lossy = true;
  bool keep_sent = false;  // Collects the operations (sent()).
};

class ClientFleet {
 public:
  // The references outlive the fleet.
  ClientFleet(World& world, const Cluster& cluster, Recorder& recorder,
              const ClientFleetOptions& options);
  ClientFleet(const ClientFleet&) = delete;
  ClientFleet& operator=(const ClientFleet&) = delete;

  // Call it once, after the cluster has started.
  void Start(ShapeDraw* draw);
  // How many requests the server that is no node answered.
  uint64_t impostor_answers() const {
    return impostor_ == nullptr ? 0 : impostor_->answered();
  }
  // Those of the clients that want answers.
  const std::vector<MachineId>& machines() const { return machines_; }
  // No client issues another operation. From now on the nodes at the addresses
  // `healthy` must serve.
  void Stop(const std::vector<std::string>& healthy);
  // Whether no operation is open or waits.
  bool idle() const;
  // The open operations, for people.
  std::string Describe() const;
  // Whether the client with this number, from 1, does not read on purpose: its
  // process is down or paused, or it reads late.
  bool away(uint32_t client) const;
  // One client reads every key, or adds to the numbers that clients used last
  // and to one of each group. It retries until it succeeds. Call these after
  // Stop().
  void ReadAll(const std::vector<std::string>& keys);
  void AddToNumbers();
  // One more client asks each of these nodes over each of its front doors, for
  // three seconds. Each answer must come within `bound`, and `answered` is
  // called with the time that it took. Call it after Stop().
  void AskInCalm(const std::vector<NodeId>& nodes, Duration bound,
                 std::function<void(Duration)> answered);
  // One more client asks these nodes about keys of all groups but `without`,
  // while another node stops and starts again. Another one does not read what
  // it asked of the node `late_reader_of`, unless that is zero. Requires:
  // AskedAll().
  void AskDuringAStop(const std::vector<NodeId>& nodes,
                      const std::set<GroupId>& without, Duration bound,
                      NodeId late_reader_of);
  // One more client asks these nodes about keys of all groups while slots move.
  // Requires: AskedAll().
  void AskWhileSlotsMove(const std::vector<NodeId>& nodes, Duration bound);
  // Whether the client of the last call of these three has all answers.
  bool AskedAll() const {
    return calm_client_ == nullptr || calm_client_->done();
  }
  // One more client empties the store. Call it after Stop(), as the last.
  void Flush();
  // The operations that were sent so far, if the options say so.
  const std::vector<SentOperation>& sent() const { return sent_; }

 private:
  struct Member {
    WorkloadClientOptions options;
    MachineId machine;
    WorkloadClient* program = nullptr;  // Null: its process is down.
    std::unique_ptr<WorkloadClient::Note> note;
  };

  std::shared_ptr<void> Run(Member* member, env::Env& env);
  void PlanCrash(Member* member, uint64_t number);
  void Kill(Member* member, CrashKind kind, Duration down);
  void PlanPause(Member* member, uint64_t number);
  // A client of another kind, as far as the fleet has to know it.
  struct Other {
    std::function<void()> stop_issuing;
    std::function<bool()> idle;
    std::function<std::string()> describe;
  };
  // Keeps what the program sends, if the options ask for it.
  template <typename Program>
  void NoteSent(Program& program);
  // Starts a client on a machine of its own. `make` makes its program.
  template <typename Make>
  void StartOther(std::string_view kind, Make make);
  // Starts `count` clients, each Client(env, Options, …), with the addresses
  // of plain clients.
  template <typename Client>
  void StartPlain(std::string_view kind, uint32_t count);
  // Starts the only client of its kind, whose program is
  // Program(env, arguments...). Sets *program to it.
  template <typename Program, typename... Arguments>
  MachineId StartOne(std::string_view name, Program** program,
                     Arguments... arguments);
  // The time that clients give to a reply. Empty: their defaults.
  std::optional<Duration> ReplyTimeout() const;
  // Between two operations of one client.
  Duration Interval() const;
  OperationOptions OperationsOf() const;
  std::vector<std::string> NumberKeys() const;
  // Appends one key of each group with slots that is not in `groups`: the first
  // one that `next` returns.
  void AddKeysOfOthers(const std::set<GroupId>& groups,
                       std::vector<std::string>* keys,
                       absl::FunctionRef<std::string()> next) const;
  // Questions about a key of each group that is not in `without`.
  CalmClientOptions QuestionsFor(const std::vector<NodeId>& nodes,
                                 const std::set<GroupId>& without) const;
  // The options of a client with the next number.
  SimpleClientOptions NextSimpleClient() const;
  void StartOthers();
  void StartDeepClient();
  void StartNoiseClient();
  void StartSurfaceClient();

  World& world_;
  const Cluster& cluster_;
  Recorder& recorder_;
  const ClientFleetOptions options_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Other> others_;
  // Owned by their machines. Null in most runs.
  DeepClient* deep_client_ = nullptr;
  NoiseClient* noise_client_ = nullptr;
  SurfaceClient* surface_client_ = nullptr;
  CalmClient* calm_client_ = nullptr;
  FlushClient* flush_client_ = nullptr;
  Impostor* impostor_ = nullptr;
  std::vector<MachineId> machines_;  // By the clients' numbers, then others.
  std::vector<SentOperation> sent_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CLIENT_FLEET_H_
