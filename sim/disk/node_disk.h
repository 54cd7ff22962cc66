// sim/disk/node_disk.h: env::Disk of a simulated machine: operations in flight
// on a DiskImage, their latency and their faults.
#ifndef QUORATE_SIM_DISK_NODE_DISK_H_
#define QUORATE_SIM_DISK_NODE_DISK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/disk.h"
#include "env/slot_pool.h"
#include "sim/disk/disk_image.h"
#include "sim/state/turn_scheduler.h"

namespace quorate::sim {

// The kinds of operations that a fault may be limited to.
enum class DiskAccess : uint8_t { kRead, kWrite, kSync };

class NodeDisk final : public env::Disk, public env::Pending::Source {
 public:
  NodeDisk(TurnScheduler* scheduler, std::shared_ptr<DiskImage> image,
           const DiskOptions& options);
  ~NodeDisk();

  // env::Disk.
  using env::Disk::Open;
  env::Pending Open(std::string_view name, OpenMode mode, env::FileUse use,
                    OpenDone done) override;
  env::Pending List(ListDone done) override;
  env::Pending Remove(std::string_view name, env::File::Done done) override;
  env::Pending Rename(std::string_view from, std::string_view to,
                      env::File::Done done) override;
  env::Pending SyncDirectory(env::File::Done done) override;
  env::Pending FreeBytes(env::File::SizeDone done) override;
  env::Pending SizeBytes(env::File::SizeDone done) override;
  env::Pending Lock(std::string_view name, env::File::Done done) override;
  // env::Pending::Source.
  void Cancel(uint64_t id) override;

  // ---- Called by the machine.
  void DiskEvent(uint64_t id);  // Handles kEventDisk: the operation ends.
  // Runs the callback of the operation, in a turn.
  void RunInput(uint64_t id);
  // The program is gone. Operations in flight happened as a whole, in part or
  // not at all. With `power_lost` the page cache is gone, too.
  void Die(bool power_lost);

  // ---- Faults.
  DiskOptions& options() { return options_; }
  // No operation completes before `time`; with a name, none on that file.
  void StallUntil(SimTime time, std::string file = "") {
    stalled_until_ = time;
    stalled_file_ = std::move(file);
  }
  // Reads of these bytes of the file fail until Heal.
  void SetUnreadable(std::string file, uint64_t offset, uint64_t size) {
    unreadable_ = {std::move(file), offset, size};
  }
  // Files cannot be opened while this many more than now are open. Until Heal.
  void LimitOpenFiles(size_t more) { open_files_max_ = files_.size() + more; }
  // The `nth` operation of the kind from now on fails. 0 disarms.
  void FailNth(bool any, DiskAccess kind, uint64_t nth, bool persistent);
  void Heal();
  // Crashes the machine while the `nth` operation from now on is in flight. 0
  // disarms.
  void CrashAt(uint64_t nth) { operations_to_crash_ = nth; }
  DiskImage& image() { return *image_; }
  // The names of the files that the program has open, in the order of opening.
  std::vector<std::string> OpenFiles();
  // The number of operations of this program that failed because of a fault, or
  // said how little of a full disk is free.
  uint64_t failures() const { return failures_; }
  // The number of operations that may have changed the image.
  uint64_t changes() const { return changes_; }
  const LogWrites& log_writes() const { return log_writes_; }

 private:
  friend class NodeFile;
  static constexpr size_t kOpenFilesMax = size_t{1} << 20;

  enum class Kind : uint8_t {
    kOpen,
    kList,
    kRemove,
    kRename,
    kSyncDirectory,
    kLock,
    kWrite,
    kRead,
    kSync,
    kFreeBytes,
    kSizeBytes,
    kSize,
  };
  struct Operation {
    Kind kind = Kind::kOpen;
    OpenMode mode = OpenMode::kExisting;
    env::FileUse use = env::FileUse::kBulk;
    env::Durability durability = env::Durability::kLater;
    bool failing = false;  // A fault makes it fail.
    // A durable write whose sync fails after a complete write.
    bool sync_fails = false;
    // A write whose data never reach the disk, although it is reported as done.
    bool writeback_fails = false;
    bool executed = false;  // It is done, and its callback waits for a turn.
    ChoiceKey key;          // Describes it in choices.
    SimTime begins;
    std::string name;
    uint64_t name_hash = 0;
    std::string to;
    uint64_t handle = 0;  // The open file that issued it.
    DiskImage::FileRef file;
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t mark = 0;  // For a sync: the changes that it covers.
    std::vector<Buffer> pieces;
    // The result.
    uint64_t change = 0;
    absl::Status status;
    Buffer bytes;
    std::variant<std::monostate, env::File::Done, env::File::ReadDone,
                 env::File::SizeDone, OpenDone, ListDone>
        done;
  };
  struct OpenFile {
    DiskImage::FileRef file;
    std::string name;
    env::FileUse use = env::FileUse::kBulk;
    bool written = false;
    bool sync_failed = false;
  };

  static DiskAccess AccessOf(Kind kind);
  env::Pending Issue(Operation&& operation);
  // Null: it has ended or was cancelled.
  Operation* FindOperation(uint64_t id) {
    std::unique_ptr<Operation>* const found = operations_.Find(id);
    return found == nullptr ? nullptr : found->get();
  }
  Duration Latency(const Operation& operation);
  static bool Syncs(const Operation& operation) {
    return AccessOf(operation.kind) == DiskAccess::kSync ||
           (operation.kind == Kind::kWrite &&
            operation.durability == env::Durability::kDurable);
  }
  // The time before which a stall keeps the operation from completing.
  SimTime StalledUntil(const Operation& operation) const {
    const bool hit = stalled_file_.empty() || stalled_file_ == operation.name;
    return hit ? stalled_until_ : SimTime::Min();
  }
  bool HitsUnreadable(const Operation& operation) const;
  void DrawFault(Operation* operation);
  void CountFailure(Fault fault);
  bool Planned(const Operation& operation);
  ChoiceKey KeyOf(const Operation& operation);
  void HashIssue(const Operation& operation);
  absl::Status FaultStatus(const Operation& operation) const;

  // Applies an operation to the image when it ends.
  void Execute(Operation* operation);
  void ExecuteDirectory(Operation* operation);
  void ExecuteFailing(Operation* operation);
  // A sync reports the error of an earlier write, if there is one.
  void ReportWriteback(Operation* operation);
  // The program must not write to the file any more.
  void LoseFile(const DiskImage::FileRef& file);
  // Reports a file that is opened for the log while other work writes it.
  void CheckHandover(const Operation& open);
  // Whether another sync of the same open file has not been reported.
  bool SyncsInFlight(uint64_t handle);
  static bool IsLogWrite(const Operation& operation) {
    return operation.kind == Kind::kWrite && Syncs(operation) &&
           operation.use == env::FileUse::kLog;
  }
  void ExecuteWrite(Operation* operation);
  // Writes the first `size` bytes of a write, not durably, if they fit.
  void WriteFirst(const Operation& operation, uint64_t size);
  bool Fits(uint64_t old_size, uint64_t new_size) const;
  // In words, for records.
  static std::string Describe(const Operation& operation);
  void RefuseFull(Operation* operation);
  // Applies as much of an operation in flight as a crash leaves.
  void Interrupt(Operation* operation);
  void Finish(Operation* finished);

  // Called by NodeFile.
  void Close(uint64_t handle);
  env::Pending FileOperation(uint64_t handle, Operation&& operation);

  TurnScheduler* const scheduler_;
  const std::shared_ptr<DiskImage> image_;
  DiskOptions options_;
  SlotPool<std::unique_ptr<Operation>> operations_;
  SlotPool<OpenFile> files_;
  uint64_t operations_to_crash_ = 0;
  uint64_t failures_ = 0;
  uint64_t changes_ = 0;
  LogWrites log_writes_;
  SimTime stalled_until_ = SimTime::Min();
  std::string stalled_file_;  // Empty: all files.
  // When the last operation of each use ends, on a disk that carries out one at
  // a time.
  SimTime busy_until_[2] = {SimTime::Min(), SimTime::Min()};
  struct Range {
    std::string file;  // Empty: no range.
    uint64_t offset = 0;
    uint64_t size = 0;
  } unreadable_;
  size_t open_files_max_ = kOpenFilesMax;
  struct Plan {
    uint64_t nth = 0;  // 0: not armed.
    bool any = false;
    DiskAccess kind = DiskAccess::kRead;
    bool persistent = false;
    bool failing = false;  // All operations fail from now on.
  } plan_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_DISK_NODE_DISK_H_
