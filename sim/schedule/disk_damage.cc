#include "sim/schedule/disk_damage.h"

#include <algorithm>
#include <array>

#include "sim/disk/disk_image.h"

namespace quorate::sim {
namespace {

// A disk writes this many bytes as a whole.
constexpr uint64_t kBlockBytes = 4096;

}  // namespace

DiskDamage::Files DiskDamage::ReadFiles(MachineId node) const {
  Files files;
  for (const std::string& file : context_->world().DiskFiles(node)) {
    files.emplace_back(file, context_->world().ReadDiskFile(node, file));
  }
  return files;
}

void DiskDamage::OpenDamage(const FaultWindow& window) {
  MachineId one;
  if (!swarm_->PickDiskFaultTarget(window, &one)) return;
  // One fault window in four damages all targets at once.
  const bool all = window.Pick(4, 4) == 3;
  const CrashKind kind =
      window.Pick(5, 2) == 1 ? CrashKind::kMachine : CrashKind::kProcess;
  const std::vector<MachineId> victims =
      all ? swarm_->disk_fault_targets() : std::vector<MachineId>{one};
  const Duration delay = window.Length(Milliseconds(10), Seconds(2));
  for (MachineId node : victims) {
    if (erased_.contains(node)) continue;
    // Writes from now on may be the ones that get lost.
    Files before = ReadFiles(node);
    context_->After(
        delay, node,
        [this, window, node, kind, delay, before = std::move(before)] {
          if (context_->liveness()) return;
          // Recovery reads the damaged files, so the node is restarted.
          if (context_->world().running(node))
            context_->world().Crash(node, kind);
          Damage(window, node, before);
          context_->After(delay, node,
                          [this, node] { context_->RestartIfDown(node); });
        });
  }
}

void DiskDamage::Damage(const FaultWindow& window, MachineId node,
                        const Files& before) {
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
    const uint64_t limit = context_->options().damage_limit(node, file);
    const FaultWindow attempt = window.Part(node, i + 1);
    const bool done = kind == 0   ? FlipBit(attempt, node, file, limit)
                      : kind == 1 ? Misdirect(attempt, node, file, limit)
                      : kind == 2
                          ? MakeStale(attempt, node, file, limit, before)
                          : TearBlock(attempt, node, file, limit, before);
    if (!done) continue;
    constexpr const char* kWhat[] = {"bit rot ", "misdirected write ",
                                     "lost write ", "torn block "};
    damaged_.insert(node);
    context_->Note(kWhat[kind] + context_->Name(node) + " " + file);
    return;
  }
}

bool DiskDamage::FlipBit(const FaultWindow& window, MachineId node,
                         const std::string& file, uint64_t limit) {
  return limit > 0 &&
         context_->world().FlipDiskBit(node, file, window.Pick(2, limit),
                                       static_cast<int>(window.Pick(3, 8)));
}

// Replaces one sector by another sector of the same disk.
bool DiskDamage::Misdirect(const FaultWindow& window, MachineId node,
                           const std::string& file, uint64_t limit) {
  const uint64_t sectors = limit / kSectorBytes;
  const Files files = ReadFiles(node);
  const std::string& source = files[window.Pick(7, files.size())].second;
  const uint64_t sources = source.size() / kSectorBytes;
  if (sectors == 0 || sources == 0) return false;
  const std::string bytes =
      source.substr(window.Pick(8, sources) * kSectorBytes, kSectorBytes);
  if (!context_->world().OverwriteDisk(
          node, file, window.Pick(2, sectors) * kSectorBytes, bytes)) {
    return false;
  }
  context_->world().faults().Count(Fault::kDiskMisdirected);
  return true;
}

std::vector<uint64_t> DiskDamage::WrittenSince(MachineId node,
                                               const std::string& file,
                                               uint64_t limit, size_t size,
                                               const Files& before,
                                               std::string* old) const {
  for (const auto& [name, bytes] : before) {
    if (name == file) *old = bytes;
  }
  const std::string now = context_->world().ReadDiskFile(node, file);
  old->resize(now.size());
  limit = std::min<uint64_t>(limit, now.size());
  std::vector<uint64_t> written;
  for (uint64_t at = 0; at + size <= limit; at += size) {
    if (now.compare(at, size, *old, at, size) != 0) written.push_back(at);
  }
  return written;
}

// Puts one sector that was written since `before` back to its old content, or
// to zeros if the file was shorter then.
bool DiskDamage::MakeStale(const FaultWindow& window, MachineId node,
                           const std::string& file, uint64_t limit,
                           const Files& before) {
  std::string old;
  const std::vector<uint64_t> written =
      WrittenSince(node, file, limit, kSectorBytes, before, &old);
  if (written.empty()) return false;
  const uint64_t at = written[window.Pick(2, written.size())];
  if (!context_->world().OverwriteDisk(node, file, at,
                                       old.substr(at, kSectorBytes))) {
    return false;
  }
  context_->world().faults().Count(Fault::kDiskStale);
  return true;
}

// Replaces a block of which a part was written since `before`, as a disk may
// whose power fails in mid-write. Durable bytes in the block are lost, too.
bool DiskDamage::TearBlock(const FaultWindow& window, MachineId node,
                           const std::string& file, uint64_t limit,
                           const Files& before) {
  std::string old;
  const std::vector<uint64_t> written =
      WrittenSince(node, file, limit, kBlockBytes, before, &old);
  if (written.empty()) return false;
  const uint64_t at = written[window.Pick(2, written.size())];
  const uint64_t bits = window.Pick(9, UINT64_MAX);
  std::string torn(kBlockBytes, '\0');
  for (size_t i = 0; i < torn.size(); ++i) {
    torn[i] = static_cast<char>(Mix64(bits + i));
  }
  if (!context_->world().OverwriteDisk(node, file, at, torn)) return false;
  context_->world().faults().Count(Fault::kDiskBlockTorn);
  return true;
}

// A node whose disk was erased has lost its promises, so it must not take part
// again. At most one node per run loses its disk, in the second half.
void DiskDamage::OpenErase(const FaultWindow& window) {
  MachineId node;
  const auto seconds =
      static_cast<uint64_t>(context_->options().length.ns() / Seconds(1).ns());
  if (!erased_.empty() || window.second() < seconds / 2 ||
      !swarm_->PickDiskFaultTarget(window, &node)) {
    return;
  }
  if (context_->world().running(node))
    context_->world().Crash(node, CrashKind::kMachine);
  context_->world().EraseDisk(node);
  erased_.insert(node);
  damaged_.insert(node);
  context_->Note("erased disk of " + context_->Name(node));
  context_->After(window.Length(Milliseconds(10), Seconds(5)), node,
                  [this, node] { context_->RestartIfDown(node); });
}

}  // namespace quorate::sim
