#include "sim/schedule/disk_damage.h"

#include <algorithm>
#include <array>

#include "sim/disk/disk_image.h"

namespace quorate::sim {
namespace {

// A disk writes this many bytes as a whole.
constexpr uint64_t kBlockBytes = 4096;
// Meanwhile other nodes write what the node has.
constexpr Duration kDownBeforeOldDisk = Milliseconds(400);
// Damage waits until it is allowed, for ten seconds.
constexpr Duration kDamageAgain = Milliseconds(100);
constexpr int kDamageTries = 100;

// How a node ends whose disk is damaged.
CrashKind CrashOf(const FaultWindow& window) {
  return window.Pick(5, 2) == 1 ? CrashKind::kMachine : CrashKind::kProcess;
}

Duration DelayOf(const FaultWindow& window) {
  return window.Length(Milliseconds(10), Seconds(2));
}

}  // namespace

DiskDamage::Files DiskDamage::ReadFiles(MachineId node) const {
  Files files;
  for (const std::string& file : context_->world().DiskFiles(node)) {
    files.emplace_back(file, context_->world().ReadDiskFile(node, file));
  }
  return files;
}

void DiskDamage::OpenDamage(const FaultWindow& window) {
  if (context_->options().may_damage) {
    const std::vector<MachineId>& nodes = context_->nodes();
    const MachineId node = nodes[window.Pick(0, nodes.size())];
    return OnceAllowed(
        node, kDamageTries,
        [this, window, node, before = context_->world().DiskContents(node)] {
          RestartDamaged(window, node, CrashOf(window), DelayOf(window),
                         before);
        });
  }
  MachineId one;
  if (!MayLoseNodes() || !swarm_->PickDiskFaultTarget(window, &one)) return;
  // One fault window in four damages all targets at once.
  const bool all = window.Pick(4, 4) == 3;
  const CrashKind kind = CrashOf(window);
  const std::vector<MachineId> victims =
      all ? swarm_->disk_fault_targets() : std::vector<MachineId>{one};
  const Duration delay = DelayOf(window);
  for (MachineId node : victims) {
    if (erased_.contains(node) || !MayDamage(node)) continue;
    // Writes from now on may be the ones that get lost.
    std::vector<FileContents> before = context_->world().DiskContents(node);
    context_->After(
        delay, node,
        [this, window, node, kind, delay, before = std::move(before)] {
          if (context_->liveness()) return;
          RestartDamaged(window, node, kind, delay, before);
        });
  }
}

void DiskDamage::OnceAllowed(MachineId node, int tries,
                             absl::AnyInvocable<void()> then) {
  if (context_->liveness() || tries == 0) return;
  if (MayDamage(node)) return then();
  context_->After(kDamageAgain, node,
                  [this, node, tries, then = std::move(then)]() mutable {
                    OnceAllowed(node, tries - 1, std::move(then));
                  });
}

bool DiskDamage::MayDamage(MachineId node) const {
  const std::optional<uint32_t>& most =
      context_->options().budget.disks_damaged;
  if (most.has_value() && !damaged_.contains(node) &&
      damaged_.size() >= *most) {
    return false;
  }
  auto& may_damage = context_->options().may_damage;
  return may_damage == nullptr || may_damage(node);
}

void DiskDamage::AddDamaged(MachineId node, const std::string& file) {
  damaged_[node].insert(file);
  if (context_->options().on_damaged) {
    context_->options().on_damaged(node, file);
  }
}

// Recovery reads the damaged files.
void DiskDamage::RestartDamaged(const FaultWindow& window, MachineId node,
                                CrashKind kind, Duration down,
                                const std::vector<FileContents>& before) {
  if (context_->world().running(node)) context_->world().Crash(node, kind);
  Damage(window, node, before);
  context_->After(down, node, [this, node] { context_->RestartIfDown(node); });
}

void DiskDamage::Damage(const FaultWindow& window, MachineId node,
                        const std::vector<FileContents>& before) {
  const std::vector<std::string> files = context_->world().DiskFiles(node);
  // Lost writes get more of the draws, because there is not always a write to
  // lose.
  const FaultWindow here = window.Part(node, 0);
  const uint64_t kind = std::array{0, 1, 2, 2, 3}[here.Pick(6, 5)];
  const uint64_t first = here.Pick(1, std::max<size_t>(files.size(), 1));
  // Some files have no place for this kind of damage: takes the first file
  // that has one.
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[(first + i) % files.size()];
    const Place place{.node = node,
                      .file = file,
                      .limit = context_->options().damage_limit(node, file),
                      .before = before};
    const FaultWindow attempt = window.Part(node, i + 1);
    const bool done = kind == 0   ? FlipBit(attempt, place)
                      : kind == 1 ? Misdirect(attempt, place)
                      : kind == 2 ? MakeStale(attempt, place)
                                  : TearBlock(attempt, place);
    if (!done) continue;
    constexpr const char* kWhat[] = {"bit rot ", "misdirected write ",
                                     "lost write ", "torn block "};
    AddDamaged(node, file);
    context_->Note(kWhat[kind] + context_->Name(node) + " " + file);
    return;
  }
}

bool DiskDamage::FlipBit(const FaultWindow& window, const Place& place) {
  return place.limit > 0 &&
         context_->world().FlipDiskBit(place.node, place.file,
                                       window.Pick(2, place.limit),
                                       static_cast<int>(window.Pick(3, 8)));
}

// Replaces one sector by another sector of the same disk.
bool DiskDamage::Misdirect(const FaultWindow& window, const Place& place) {
  const uint64_t sectors = place.limit / kSectorBytes;
  const World& world = context_->world();
  const std::vector<std::string> files = world.DiskFiles(place.node);
  const std::string source =
      world.ReadDiskFile(place.node, files[window.Pick(7, files.size())]);
  const uint64_t sources = source.size() / kSectorBytes;
  if (sectors == 0 || sources == 0) return false;
  const std::string bytes =
      source.substr(window.Pick(8, sources) * kSectorBytes, kSectorBytes);
  if (!context_->world().OverwriteDisk(place.node, place.file,
                                       window.Pick(2, sectors) * kSectorBytes,
                                       bytes)) {
    return false;
  }
  context_->world().faults().Count(Fault::kDiskMisdirected, place.node);
  return true;
}

bool DiskDamage::ReplaceWritten(
    const FaultWindow& window, const Place& place, size_t size, Fault fault,
    absl::FunctionRef<std::string(std::string_view old)> replace) {
  std::string old;
  for (const FileContents& file : place.before) {
    if (file.name == place.file) file.bytes.AppendTo(&old, 0, file.size);
  }
  World& world = context_->world();
  const std::string now = world.ReadDiskFile(place.node, place.file);
  old.resize(now.size());
  const uint64_t limit = std::min<uint64_t>(place.limit, now.size());
  std::vector<uint64_t> written;
  for (uint64_t at = 0; at + size <= limit; at += size) {
    if (now.compare(at, size, old, at, size) != 0) written.push_back(at);
  }
  if (written.empty()) return false;
  const uint64_t at = written[window.Pick(2, written.size())];
  if (!world.OverwriteDisk(place.node, place.file, at,
                           replace(std::string_view(old).substr(at, size)))) {
    return false;
  }
  world.faults().Count(fault, place.node);
  return true;
}

// Puts one sector back to its old content, or to zeros if the file was shorter
// then.
bool DiskDamage::MakeStale(const FaultWindow& window, const Place& place) {
  return ReplaceWritten(window, place, kSectorBytes, Fault::kDiskStale,
                        [](std::string_view old) { return std::string(old); });
}

// Replaces a block of which a part was written, as a disk may whose power fails
// in mid-write. Durable bytes in the block are lost, too.
bool DiskDamage::TearBlock(const FaultWindow& window, const Place& place) {
  return ReplaceWritten(window, place, kBlockBytes, Fault::kDiskBlockTorn,
                        [&](std::string_view old) {
                          const uint64_t bits = window.Pick(9, UINT64_MAX);
                          std::string torn(old.size(), '\0');
                          for (size_t i = 0; i < torn.size(); ++i) {
                            torn[i] = static_cast<char>(Mix64(bits + i));
                          }
                          return torn;
                        });
}

// At most one node per run: its votes and entries are older than it promised,
// so it is lost for its groups.
void DiskDamage::OpenOldDisk(const FaultWindow& window) {
  MachineId node;
  if (!MayLoseNodes() || put_back_ ||
      !swarm_->PickDiskFaultTarget(window, &node) || damaged_.contains(node) ||
      !context_->world().running(node)) {
    return;
  }
  Files older = ReadFiles(node);
  const Duration delay = window.Length(Milliseconds(50), Seconds(4));
  // With a start after the copy, other nodes know a later start than the one
  // from the copy.
  if (window.Pick(1, 2) == 1) context_->KillAndRestart(node);
  context_->After(delay, node, [this, node] {
    if (context_->liveness() || !context_->world().running(node)) return;
    context_->world().Crash(node, CrashKind::kProcess);
    context_->Note("crash before an older disk " + context_->Name(node), node);
  });
  context_->After(delay + kDownBeforeOldDisk, node,
                  [this, node, older = std::move(older)] {
                    const bool fits = !context_->liveness() && !put_back_ &&
                                      !damaged_.contains(node) &&
                                      !context_->world().running(node);
                    if (fits && context_->options().put_back(node, older)) {
                      PutBack(node, older);
                    }
                    context_->RestartIfDown(node);
                  });
}

bool DiskDamage::MayLoseNodes() const {
  const auto& needs_all = context_->options().needs_all_nodes;
  return needs_all == nullptr || !needs_all();
}

void DiskDamage::PutBack(MachineId node, const Files& files) {
  World& world = context_->world();
  for (const std::string& name : world.DiskFiles(node)) {
    world.RemoveDiskFile(node, name);
  }
  for (const auto& [name, bytes] : files) world.PutDiskFile(node, name, bytes);
  put_back_ = true;
  AddDamaged(node);
  world.faults().Count(Fault::kDiskPutBack, node);
  context_->Note("older disk of " + context_->Name(node), node);
}

// A node whose disk was erased has lost its promises, so a voter must not take
// part again. If groups do not change their members, disks are lost in the
// second half of a run.
void DiskDamage::OpenErase(const FaultWindow& window) {
  if (erasures_ >= context_->options().budget.disks_lost) return;
  if (context_->options().may_damage) {
    const std::vector<MachineId>& nodes = context_->nodes();
    const MachineId node = nodes[window.Pick(0, nodes.size())];
    return OnceAllowed(node, kDamageTries, [this, window, node] {
      if (erasures_ < context_->options().budget.disks_lost) {
        Erase(node, window.Length(Milliseconds(10), Seconds(5)));
      }
    });
  }
  MachineId node;
  const auto seconds =
      static_cast<uint64_t>(context_->options().length.ns() / Seconds(1).ns());
  if (!MayLoseNodes() || window.second() < seconds / 2 ||
      !swarm_->PickDiskFaultTarget(window, &node) || erased_.contains(node)) {
    return;
  }
  erased_.insert(node);
  Erase(node, window.Length(Milliseconds(10), Seconds(5)));
}

void DiskDamage::Erase(MachineId node, Duration down) {
  World& world = context_->world();
  if (world.running(node)) world.Crash(node, CrashKind::kMachine);
  world.EraseDisk(node);
  ++erasures_;
  AddDamaged(node);
  context_->Note("erased disk of " + context_->Name(node), node);
  context_->After(down, node, [this, node] { context_->RestartIfDown(node); });
}

}  // namespace quorate::sim
