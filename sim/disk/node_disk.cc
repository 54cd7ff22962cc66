#include "sim/disk/node_disk.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/random.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {
// The kind of thing that the other sites choose about.
constexpr ChoiceSite kOperation("disk.operation");
constexpr ChoiceSite kJitter("disk.jitter");
constexpr ChoiceSite kSlow("disk.slow");
constexpr ChoiceSite kReadError("disk.read_error");
constexpr ChoiceSite kWriteError("disk.write_error");
constexpr ChoiceSite kSyncError("disk.sync_error");
constexpr ChoiceSite kWritebackError("disk.writeback_error");
// How much of a failed or interrupted write was done: 0 nothing, 1 all, 2 + n
// its first n sectors.
constexpr ChoiceSite kPartial("disk.partial");

// Free bytes that a change of the directory needs.
constexpr uint64_t kDirectoryChangeBytes = 1024;

// By character.
constexpr std::array<bool, 256> kInNames = [] {
  std::array<bool, 256> in_names{};
  for (const char c :
       std::string_view("0123456789abcdefghijklmnopqrstuvwxyz._-"))
    in_names[static_cast<uint8_t>(c)] = true;
  return in_names;
}();

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return kInNames[static_cast<uint8_t>(c)]; });
}

absl::Status BadName(std::string_view name) {
  return absl::InvalidArgumentError("file name \"" + std::string(name) +
                                    "\": expected [a-z0-9._-]{1,128}");
}
}  // namespace

// An open file: a handle into its NodeDisk, which outlives it.
class NodeFile final : public env::File {
 public:
  NodeFile(NodeDisk* disk, uint64_t handle) : disk_(disk), handle_(handle) {}
  ~NodeFile() override { disk_->Close(handle_); }

  env::Pending Write(uint64_t offset, absl::Span<const Buffer> pieces,
                     env::Durability durability, Done done) override {
    NodeDisk::Operation operation;
    operation.kind = NodeDisk::Kind::kWrite;
    operation.durability = durability;
    operation.offset = offset;
    for (const Buffer& piece : pieces) {
      operation.size += piece.size();
      operation.pieces.push_back(piece);
    }
    CHECK_LE(operation.size, env::kDiskOperationBytesMax);
    operation.done = std::move(done);
    return disk_->FileOperation(handle_, std::move(operation));
  }
  env::Pending Read(uint64_t offset, size_t size, ReadDone done) override {
    CHECK_LE(size, env::kDiskReadBytesMax);
    return disk_->FileOperation(handle_, {.kind = NodeDisk::Kind::kRead,
                                          .offset = offset,
                                          .size = size,
                                          .done = std::move(done)});
  }
  env::Pending Sync(Done done) override {
    return disk_->FileOperation(
        handle_, {.kind = NodeDisk::Kind::kSync, .done = std::move(done)});
  }
  env::Pending Size(SizeDone done) override {
    return disk_->FileOperation(
        handle_, {.kind = NodeDisk::Kind::kSize, .done = std::move(done)});
  }

 private:
  NodeDisk* const disk_;
  const uint64_t handle_;
};

NodeDisk::NodeDisk(TurnScheduler* scheduler, std::shared_ptr<DiskImage> image,
                   const DiskOptions& options)
    : scheduler_(scheduler), image_(std::move(image)), options_(options) {}

NodeDisk::~NodeDisk() = default;

// ---- Issuing

env::Pending NodeDisk::Open(std::string_view name, OpenMode mode,
                            env::FileUse use, OpenDone done) {
  return Issue({.kind = Kind::kOpen,
                .mode = mode,
                .use = use,
                .name = std::string(name),
                .done = std::move(done)});
}

env::Pending NodeDisk::List(ListDone done) {
  return Issue({.kind = Kind::kList, .done = std::move(done)});
}

env::Pending NodeDisk::Remove(std::string_view name, env::File::Done done) {
  return Issue({.kind = Kind::kRemove,
                .name = std::string(name),
                .done = std::move(done)});
}

env::Pending NodeDisk::Rename(std::string_view from, std::string_view to,
                              env::File::Done done) {
  return Issue({.kind = Kind::kRename,
                .name = std::string(from),
                .to = std::string(to),
                .done = std::move(done)});
}

env::Pending NodeDisk::SyncDirectory(env::File::Done done) {
  return Issue({.kind = Kind::kSyncDirectory,
                .mark = image_->sync_mark(),
                .done = std::move(done)});
}

env::Pending NodeDisk::FreeBytes(env::File::SizeDone done) {
  return Issue({.kind = Kind::kFreeBytes, .done = std::move(done)});
}

env::Pending NodeDisk::SizeBytes(env::File::SizeDone done) {
  return Issue({.kind = Kind::kSizeBytes, .done = std::move(done)});
}

env::Pending NodeDisk::Lock(std::string_view name, env::File::Done done) {
  return Issue({.kind = Kind::kLock,
                .name = std::string(name),
                .done = std::move(done)});
}

env::Pending NodeDisk::FileOperation(uint64_t handle, Operation&& operation) {
  OpenFile* open = files_.Find(handle);
  // The handle belongs to an earlier incarnation.
  if (open == nullptr) return {};
  operation.handle = handle;
  operation.file = open->file;
  operation.name = open->name;
  operation.use = open->use;
  open->written |= operation.kind == Kind::kWrite;
  if (operation.kind == Kind::kSync) {
    operation.mark = open->file->sync_mark();
  }
  if (open->sync_failed && operation.kind == Kind::kWrite) {
    scheduler_->state().violations.push_back(
        "m" + std::to_string(scheduler_->id().value()) + " writes to " +
        open->name + " after a failed sync of it");
  }
  if (Syncs(operation) && SyncsInFlight(handle)) {
    scheduler_->state().violations.push_back(absl::StrCat(
        "m", scheduler_->id().value(), " syncs ", open->name,
        " twice at once: one could report the error of the other"));
  }
  return Issue(std::move(operation));
}

void NodeDisk::CheckHandover(const Operation& open) {
  bool busy = false;
  for (const uint64_t id : operations_.Ids()) {
    const Operation& other = **operations_.Find(id);
    busy |= other.file == open.file && !other.executed &&
            (Syncs(other) || other.kind == Kind::kWrite);
  }
  for (const uint64_t id : files_.Ids()) {
    const OpenFile& other = *files_.Find(id);
    busy |= other.file == open.file && other.written;
  }
  if (busy) {
    scheduler_->state().violations.push_back(
        absl::StrCat("m", scheduler_->id().value(), " opens ", open.name,
                     " for the log while other work writes it"));
  }
}

bool NodeDisk::SyncsInFlight(uint64_t handle) {
  for (const uint64_t id : operations_.Ids()) {
    const Operation& operation = **operations_.Find(id);
    if (operation.handle == handle && Syncs(operation)) return true;
  }
  return false;
}

DiskAccess NodeDisk::AccessOf(Kind kind) {
  switch (kind) {
    case Kind::kOpen:
    case Kind::kList:
    case Kind::kRead:
    case Kind::kSize:
    case Kind::kFreeBytes:
    case Kind::kSizeBytes:
      return DiskAccess::kRead;
    case Kind::kSync:
    case Kind::kSyncDirectory:
      return DiskAccess::kSync;
    default:
      return DiskAccess::kWrite;
  }
}

env::Pending NodeDisk::Issue(Operation&& operation) {
  if (!scheduler_->BeginCall()) return {};
  if (operation.kind == Kind::kWrite) scheduler_->Work(operation.size);
  SimState& state = scheduler_->state();
  operation.name_hash = HashBytes(operation.name);
  operation.key = KeyOf(operation);
  if (IsLogWrite(operation)) ++log_writes_.begun;
  operation.begins = scheduler_->effect_time();
  HashIssue(operation);
  DrawFault(&operation);
  SimTime starts = operation.begins;
  SimTime& busy_until = busy_until_[static_cast<size_t>(operation.use)];
  if (options_.one_at_a_time) starts = std::max(starts, busy_until);
  SimTime ends = starts + Latency(operation);
  if (ends < StalledUntil(operation)) {
    ends = stalled_until_;
    state.faults.Count(Fault::kDiskStalled, scheduler_->id());
  }
  busy_until = ends;
  const uint64_t id =
      operations_.Add(std::make_unique<Operation>(std::move(operation)));
  state.queue.Push(ends, {kEventDisk, scheduler_->id().value(), id});
  if (operations_to_crash_ > 0 && --operations_to_crash_ == 0) {
    state.faults.Count(Fault::kCrashAtDiskOperation, scheduler_->id());
    scheduler_->StopSoon();
  }
  return env::Pending(this, id);
}

Duration NodeDisk::Latency(const Operation& operation) {
  Duration latency = options_.sync_latency;
  if (operation.kind == Kind::kWrite &&
      operation.durability == env::Durability::kLater) {
    latency = options_.write_latency;
  } else if (AccessOf(operation.kind) == DiskAccess::kRead) {
    latency = options_.read_latency;
  }
  SimState& state = scheduler_->state();
  latency = latency + state.Delay(kJitter, operation.key, options_.jitter,
                                  options_.jitter_max, Fault::kDiskSlow,
                                  scheduler_->id());
  return latency + state.Delay(kSlow, operation.key, options_.slow,
                               options_.slow_max, Fault::kDiskSlow,
                               scheduler_->id());
}

bool NodeDisk::Planned(const Operation& operation) {
  const bool hit = plan_.any || plan_.kind == AccessOf(operation.kind) ||
                   (plan_.kind == DiskAccess::kSync && Syncs(operation));
  if (!hit) return false;
  if (plan_.failing) return true;
  if (plan_.nth == 0 || --plan_.nth > 0) return false;
  plan_.failing = plan_.persistent;
  return true;
}

void NodeDisk::DrawFault(Operation* operation) {
  if (operation->kind == Kind::kLock) return;
  SimState& state = scheduler_->state();
  const DiskAccess access = AccessOf(operation->kind);
  const auto draws = [&](ChoiceSite site, Ratio ratio) {
    return state.choices.Chance(site, operation->key, ratio);
  };
  const bool planned = Planned(*operation);
  bool sync_fails =
      planned && (access == DiskAccess::kSync ||
                  (!plan_.any && plan_.kind == DiskAccess::kSync));
  bool fails = planned && !sync_fails;
  if (access == DiskAccess::kRead) {
    fails |= draws(kReadError, options_.read_error);
    fails |= HitsUnreadable(*operation);
  }
  if (access == DiskAccess::kWrite) {
    fails |= draws(kWriteError, options_.write_error);
  }
  if (Syncs(*operation)) sync_fails |= draws(kSyncError, options_.sync_error);
  if (fails) {
    CountFailure(access == DiskAccess::kRead ? Fault::kDiskReadError
                                             : Fault::kDiskWriteError);
  } else if (sync_fails) {
    CountFailure(Fault::kDiskSyncError);
    operation->sync_fails = operation->kind == Kind::kWrite;
  }
  operation->failing = fails || sync_fails;
  operation->writeback_fails = operation->kind == Kind::kWrite &&
                               !Syncs(*operation) &&
                               draws(kWritebackError, options_.writeback_error);
}

bool NodeDisk::HitsUnreadable(const Operation& operation) const {
  return operation.kind == Kind::kRead && operation.name == unreadable_.file &&
         operation.offset < unreadable_.offset + unreadable_.size &&
         unreadable_.offset < operation.offset + operation.size;
}

void NodeDisk::CountFailure(Fault fault) {
  ++failures_;
  scheduler_->state().faults.Count(fault, scheduler_->id());
}

// Describes an operation by its kind, its file and its offset, so that one
// operation more leaves the choices about most others unchanged. Operations
// without an offset are identified by the second in which they begin.
ChoiceKey NodeDisk::KeyOf(const Operation& operation) {
  const bool has_place =
      operation.kind == Kind::kWrite || operation.kind == Kind::kRead;
  SimState& state = scheduler_->state();
  const uint64_t place = has_place ? operation.offset : SecondOf(state.now);
  return state.choices.Count(kOperation, scheduler_->id().value(),
                             Mix64(operation.name_hash + place * 16 +
                                   static_cast<uint64_t>(operation.kind)));
}

std::string NodeDisk::Describe(const Operation& operation) {
  static constexpr std::string_view kNames[] = {
      "open", "list", "remove",     "rename", "sync directory", "lock", "write",
      "read", "sync", "free bytes", "size"};
  std::string text(kNames[static_cast<size_t>(operation.kind)]);
  if (!operation.name.empty()) text += " " + operation.name;
  if (operation.kind == Kind::kWrite || operation.kind == Kind::kRead) {
    absl::StrAppend(&text, " at ", operation.offset, ", ", operation.size,
                    " bytes");
  }
  return text;
}

void NodeDisk::HashIssue(const Operation& operation) {
  SimState& state = scheduler_->state();
  uint64_t hash = Mix64(static_cast<uint64_t>(operation.kind) << 56 ^
                        operation.offset ^ operation.size << 28);
  if (!operation.name.empty()) hash = Mix64(hash ^ operation.name_hash);
  for (const Buffer& piece : operation.pieces) {
    hash = Mix64(hash ^ state.hash.Of(piece.view()));
  }
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kDiskIssue, hash);
  if (state.hash.keeps_records()) state.hash.Detail(Describe(operation));
}

// ---- Executing

void NodeDisk::DiskEvent(uint64_t id) {
  Operation* operation = FindOperation(id);
  if (operation == nullptr) return;  // Its process died.
  if (StalledUntil(*operation) > scheduler_->state().now) {
    scheduler_->state().faults.Count(Fault::kDiskStalled, scheduler_->id());
    scheduler_->state().queue.Push(stalled_until_,
                                   {kEventDisk, scheduler_->id().value(), id});
    return;
  }
  Execute(operation);
  operation->executed = true;
  changes_ += operation->kind != Kind::kRead &&
              operation->kind != Kind::kSize && operation->kind != Kind::kList;
  operation->pieces.clear();
  if (std::holds_alternative<std::monostate>(operation->done)) {
    operations_.Remove(id);
  } else {
    scheduler_->Accept(
        {TurnInputKind::kDisk, id,
         TurnSource(TurnSourceKind::kFile, operation->name_hash)});
  }
}

absl::Status NodeDisk::FaultStatus(const Operation& operation) const {
  const std::string message =
      "I/O error (injected) on " +
      (operation.name.empty() ? "the directory" : operation.name);
  // As a real disk reports an error of its medium.
  return operation.kind == Kind::kRead ? absl::DataLossError(message)
                                       : absl::UnavailableError(message);
}

void NodeDisk::WriteFirst(const Operation& operation, uint64_t size) {
  if (!Fits(operation.file->size(), operation.offset + size)) return;
  std::vector<std::string_view> pieces;
  for (const Buffer& piece : operation.pieces) {
    pieces.push_back(piece.view().substr(0, size));
    size -= pieces.back().size();
  }
  operation.file->Write(operation.offset, pieces, /*durable=*/false);
}

bool NodeDisk::Fits(uint64_t old_size, uint64_t new_size) const {
  if (new_size <= old_size) return true;
  const uint64_t total = image_->TotalBytes();
  return total + (new_size - old_size) <= options_.capacity_bytes;
}

void NodeDisk::RefuseFull(Operation* operation) {
  CountFailure(Fault::kDiskFull);
  operation->status = absl::ResourceExhaustedError("disk full");
}

void NodeDisk::Execute(Operation* operation) {
  if (operation->failing) {
    ExecuteFailing(operation);
    return;
  }
  DiskFile* file = operation->file.get();
  switch (operation->kind) {
    case Kind::kWrite:
      ExecuteWrite(operation);
      if (operation->writeback_fails) file->FailWriteback();
      if (!Syncs(*operation)) break;
      ReportWriteback(operation);
      if (!operation->status.ok()) break;
      file->NoteDurableWrite(
          {operation->offset, operation->offset + operation->size});
      break;
    case Kind::kRead:
      operation->bytes = file->ReadBuffer(operation->offset, operation->size);
      break;
    case Kind::kSync:
      file->Sync(operation->mark);
      ReportWriteback(operation);
      break;
    case Kind::kSize:
      operation->size = file->size();
      break;
    case Kind::kFreeBytes:
      // Too few for what the program plans, perhaps.
      if (options_.capacity_bytes < DiskOptions().capacity_bytes) {
        CountFailure(Fault::kDiskFull);
      }
      operation->size = options_.unusable_bytes + options_.capacity_bytes -
                        std::min(options_.capacity_bytes, image_->TotalBytes());
      break;
    case Kind::kSizeBytes:
      operation->size = options_.unusable_bytes + options_.capacity_bytes;
      break;
    default:
      ExecuteDirectory(operation);
  }
}

void NodeDisk::ExecuteWrite(Operation* operation) {
  DiskFile& file = *operation->file;
  if (!Fits(file.size(), operation->offset + operation->size)) {
    RefuseFull(operation);
    return;
  }
  const bool durable = operation->durability == env::Durability::kDurable;
  std::vector<std::string_view> pieces;
  pieces.reserve(operation->pieces.size());
  for (const Buffer& piece : operation->pieces) pieces.push_back(piece.view());
  operation->change = file.Write(operation->offset, pieces, durable);
}

void NodeDisk::ExecuteDirectory(Operation* operation) {
  // The directory is read when the result is reported.
  if (operation->kind == Kind::kList) return;
  if (operation->kind == Kind::kSyncDirectory) {
    image_->SyncDirectory(operation->mark);
    return;
  }
  if (!IsName(operation->name)) {
    operation->status = BadName(operation->name);
    return;
  }
  operation->file = image_->Find(operation->name);
  const bool exists = operation->file != nullptr;
  const auto missing = [operation] {
    return absl::NotFoundError("no file " + operation->name);
  };
  switch (operation->kind) {
    case Kind::kOpen:
      if (files_.size() >= open_files_max_) {
        CountFailure(Fault::kDiskOpenLimit);
        operation->status = absl::ResourceExhaustedError("too many open files");
      } else if (!exists && operation->mode == OpenMode::kExisting) {
        operation->status = missing();
      } else if (exists && operation->mode == OpenMode::kCreate) {
        operation->status =
            absl::AlreadyExistsError("file " + operation->name + " exists");
      } else if (!exists && !Fits(0, kDirectoryChangeBytes)) {
        RefuseFull(operation);
      } else if (!exists) {
        operation->change = image_->Create(operation->name, &operation->file);
      } else if (operation->use == env::FileUse::kLog) {
        CheckHandover(*operation);
      }
      break;
    case Kind::kRemove:
      if (!exists) {
        operation->status = missing();
      } else {
        operation->change = image_->Remove(operation->name);
      }
      break;
    case Kind::kRename:
      if (!IsName(operation->to)) {
        operation->status = BadName(operation->to);
      } else if (!exists) {
        operation->status = missing();
      } else if (!Fits(0, kDirectoryChangeBytes)) {
        RefuseFull(operation);
      } else {
        operation->change = image_->Rename(operation->name, operation->to);
      }
      break;
    default: {  // kLock
      const auto [holder, fresh] =
          image_->locks().try_emplace(operation->name, scheduler_->id());
      if (!fresh && holder->second != scheduler_->id()) {
        operation->status =
            absl::UnavailableError("lock " + operation->name + " is held by m" +
                                   std::to_string(holder->second.value()));
      } else if (fresh && !exists) {
        operation->change = image_->Create(operation->name, &operation->file);
      }
    }
  }
}

void NodeDisk::ExecuteFailing(Operation* operation) {
  operation->status = FaultStatus(*operation);
  if (operation->sync_fails) {
    WriteFirst(*operation, operation->size);
  } else if (operation->kind == Kind::kWrite) {
    Interrupt(operation);
  } else if (operation->kind == Kind::kSync) {
    operation->file->Poison();
  }
  const bool file_is_lost =
      operation->kind == Kind::kSync ||
      (operation->kind == Kind::kWrite &&
       operation->durability == env::Durability::kDurable);
  if (!file_is_lost) return;
  operation->file->Poison();
  LoseFile(operation->file);
}

void NodeDisk::ReportWriteback(Operation* operation) {
  if (!operation->status.ok() || !operation->file->TakeWritebackError()) return;
  CountFailure(Fault::kDiskWritebackError);
  operation->status = FaultStatus(*operation);
  LoseFile(operation->file);
}

void NodeDisk::LoseFile(const DiskImage::FileRef& file) {
  for (uint64_t id : files_.Ids()) {
    OpenFile* open = files_.Find(id);
    if (open->file == file) open->sync_failed = true;
  }
}

void NodeDisk::Interrupt(Operation* operation) {
  SimState& state = scheduler_->state();
  const bool write = operation->kind == Kind::kWrite;
  const uint64_t sectors = write ? operation->size / kSectorBytes + 1 : 0;
  const uint64_t done =
      state.choices.Below(kPartial, operation->key, 2 + sectors);
  if (done == 0) return;
  if (!write) {
    operation->failing = false;
    Execute(operation);
    return;
  }
  uint64_t size = operation->size;
  if (done >= 2) {
    state.faults.Count(Fault::kDiskWriteTorn, scheduler_->id());
    size = std::min(size, (done - 2) * kSectorBytes);
  }
  // The write is not durable: a loss of power may lose any of its sectors.
  WriteFirst(*operation, size);
}

// ---- Reporting results

void NodeDisk::Cancel(uint64_t id) {
  Operation* operation = FindOperation(id);
  if (operation == nullptr) return;
  if (operation->executed) {
    operations_.Remove(id);
  } else {
    // The I/O goes on and keeps its buffers.
    auto dying = std::exchange(operation->done, std::monostate());
  }
}

void NodeDisk::RunInput(uint64_t id) {
  if (operations_.Find(id) == nullptr) return;  // Cancelled.
  SimState& state = scheduler_->state();
  const std::unique_ptr<Operation> taken = operations_.Take(id);
  Operation& operation = *taken;
  if (IsLogWrite(operation)) ++log_writes_.reported;
  const uint64_t code = static_cast<uint64_t>(operation.status.code());
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kDiskCompletion,
                 Mix64(operation.key.counter + code) ^
                     state.hash.Of(operation.bytes.view()));
  if (state.hash.keeps_records()) {
    state.hash.Detail(
        absl::StrCat(Describe(operation), ": ", operation.status.ToString()));
  }
  if (operation.change != 0 && operation.status.ok()) {
    if (operation.kind == Kind::kWrite) {
      operation.file->MarkSeen(operation.change);
    } else {
      image_->MarkSeen(operation.change);
    }
  }
  Finish(&operation);
}

void NodeDisk::Finish(Operation* finished) {
  Operation& operation = *finished;
  const absl::Status& status = operation.status;
  if (auto* done = std::get_if<env::File::Done>(&operation.done)) {
    (*done)(status);
  } else if (auto* read = std::get_if<env::File::ReadDone>(&operation.done)) {
    if (status.ok()) {
      (*read)(std::move(operation.bytes));
    } else {
      (*read)(status);
    }
  } else if (auto* size = std::get_if<env::File::SizeDone>(&operation.done)) {
    if (status.ok()) {
      (*size)(operation.size);
    } else {
      (*size)(status);
    }
  } else if (auto* list = std::get_if<ListDone>(&operation.done)) {
    if (status.ok()) {
      (*list)(image_->Names());
    } else {
      (*list)(status);
    }
  } else if (auto* open = std::get_if<OpenDone>(&operation.done)) {
    if (!status.ok()) {
      (*open)(status);
      return;
    }
    const uint64_t handle =
        files_.Add({operation.file, operation.name, operation.use});
    (*open)(std::make_unique<NodeFile>(this, handle));
  }
}

std::vector<std::string> NodeDisk::OpenFiles() {
  std::vector<std::string> names;
  for (const uint64_t id : files_.Ids()) names.push_back(files_.Find(id)->name);
  return names;
}

void NodeDisk::Close(uint64_t handle) {
  if (files_.Find(handle) == nullptr) return;
  for (uint64_t id : operations_.Ids()) {
    Operation* operation = FindOperation(id);
    if (operation != nullptr && operation->handle == handle) Cancel(id);
  }
  files_.Remove(handle);
}

void NodeDisk::Die(bool power_lost) {
  for (uint64_t id : operations_.Ids()) {
    Operation* operation = FindOperation(id);
    auto dying = std::exchange(operation->done, std::monostate());
    // Operations that had not begun yet do not happen.
    if (!operation->executed && operation->begins <= scheduler_->death_time()) {
      Interrupt(operation);
    }
  }
  operations_.Clear();
  files_.Clear();
  auto& locks = image_->locks();
  for (auto it = locks.begin(); it != locks.end();) {
    it = it->second == scheduler_->id() ? locks.erase(it) : std::next(it);
  }
  operations_to_crash_ = 0;
  failures_ = 0;
  log_writes_ = {};
  image_->ProcessDied();
  if (power_lost) {
    image_->LosePower(&scheduler_->state(), scheduler_->id().value());
  }
}

void NodeDisk::FailNth(bool any, DiskAccess kind, uint64_t nth,
                       bool persistent) {
  plan_ = {nth, any, kind, persistent, false};
}

void NodeDisk::Heal() {
  plan_ = {};
  unreadable_ = {};
  open_files_max_ = kOpenFilesMax;
  StallUntil(SimTime::Min());
}

}  // namespace quorate::sim
