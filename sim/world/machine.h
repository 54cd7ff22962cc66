// sim/world/machine.h: one machine of a world: its turns, its parts (loop,
// disk, transport, streams) and its program.
#ifndef QUORATE_SIM_WORLD_MACHINE_H_
#define QUORATE_SIM_WORLD_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "env/env.h"
#include "sim/disk/node_disk.h"
#include "sim/network/node_streams.h"
#include "sim/network/node_transport.h"
#include "sim/state/turn_scheduler.h"
#include "sim/world/node_loop.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The callbacks from machines to the world.
class MachineObserver {
 public:
  virtual void OnTurn(MachineId machine) = 0;
  virtual bool Logs(env::Severity severity) const = 0;
  virtual void Log(MachineId machine, env::Severity severity,
                   std::string_view message) = 0;
  virtual void OnMark(MachineId machine, std::string_view mark) = 0;

 protected:
  ~MachineObserver() = default;
};

class Machine final : public TurnScheduler::Parts,
                      public env::Tracer,
                      public env::Buggify,
                      public env::Process {
 public:
  Machine(MachineObserver* host, SimState* state, Network* network,
          StreamNet* streams, MachineId id, const MachineOptions& options,
          const WorldOptions& world, std::shared_ptr<DiskImage> image);
  ~Machine();

  void Start(Factory factory);
  void Restart();
  void Crash(CrashKind kind);

  // TurnScheduler::Parts.
  void BeginTurn() override { loop_.BeginTurn(); }
  void RunInput(const TurnInput& input) override;
  void RunTimers() override { loop_.RunTimers(); }
  void RunDeferred() override { loop_.RunDeferred(); }
  void EndTurn() override;
  void AfterTurn() override { hooks_->OnTurn(scheduler_.id()); }
  void Die() override;
  // env::Tracer.
  void Log(env::Severity severity, std::string_view message) override;
  bool Logs(env::Severity severity) const override {
    return hooks_->Logs(severity);
  }
  void Sometimes(std::string_view mark) override;
  // env::Buggify.
  bool Fire(const Site& site) override;
  // env::Process. The time in turns counts as processor time.
  env::CpuTime ReadCpuTime() override {
    return {.user = scheduler_.busy(), .system = Duration(0)};
  }
  env::TurnTimes ReadTurnTimes() override { return {}; }
  void ResetTurnTimes() override {}

  TurnScheduler& scheduler() { return scheduler_; }
  NodeLoop& loop() { return loop_; }
  NodeDisk& disk() { return disk_; }
  NodeTransport& transport() { return transport_; }
  NodeStreams& streams() { return streams_; }
  env::Env& env() { return env_; }
  const std::string& name() const { return name_; }
  bool client() const { return client_; }
  uint64_t incarnation() const { return incarnation_; }
  // The kind of crash when an armed point is reached.
  void set_crash_kind(CrashKind kind) { crash_kind_ = kind; }
  std::shared_ptr<DiskImage> image() const { return image_; }

 private:
  // Begins a new monotonic clock, or not.
  void RestartClock();

  struct Buggified {
    bool active = false;
    MillisecondCounter asked;
  };

  MachineObserver* const hooks_;
  SimState* const state_;
  const std::string name_;
  const bool client_;
  const std::shared_ptr<DiskImage> image_;
  TurnScheduler scheduler_;
  NodeLoop loop_;
  NodeDisk disk_;
  NodeTransport transport_;
  NodeStreams streams_;
  env::Env env_;
  const Random random_;
  Factory factory_;
  std::shared_ptr<void> program_;
  uint64_t incarnation_ = 0;
  bool power_lost_ = false;  // Since the last start.
  CrashKind crash_kind_ = CrashKind::kProcess;
  // Looked up only, never iterated.
  absl::flat_hash_map<uint64_t, Buggified> buggified_;
  // Hashes of sites that are not active here, each at its place: most questions
  // are about these.
  std::array<uint64_t, 256> inactive_ = {};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_MACHINE_H_
