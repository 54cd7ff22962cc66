#include "net/disk/file_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/clock.h"

namespace quorate::net {
namespace {

using env::Durability;
using env::FileUse;
using env::Pending;

// Names are flat (env/disk.h): no name refers to a file outside the directory.
bool ValidName(std::string_view name) {
  if (name.empty() || name.size() > 128 || name == "." || name == "..") {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

absl::StatusOr<struct statvfs> FileSystemOf(int fd,
                                            const std::string& directory) {
  struct statvfs info;
  if (fstatvfs(fd, &info) != 0) {
    return FileError(errno, "reading the space of", directory);
  }
  return info;
}

}  // namespace

// An open file descriptor, shared by its File and the operations in flight. The
// count changes only on the loop's thread.
class FileDisk::Descriptor {
 public:
  Descriptor(FileDisk* disk, FileUse use, Opened opened, std::string name)
      : disk_(disk),
        use_(use),
        fd_(opened.fd.Release()),
        inode_(opened.inode),
        name_(std::move(name)) {
    ++disk_->open_[inode_];
  }
  ~Descriptor() {
    const auto open = disk_->open_.find(inode_);
    const bool last = --open->second == 0;
    if (last) disk_->open_.erase(open);
    disk_->CloseLater(use_, fd_, last && disk_->openings_ == 0);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  FileUse use() const { return use_; }
  int fd() const { return fd_; }
  const std::string& name() const { return name_; }
  // Operations that have not finished. Used on the loop's thread only.
  std::vector<Operation*>& operations() { return operations_; }

 private:
  FileDisk* const disk_;
  const FileUse use_;
  const int fd_;
  const ino_t inode_;
  const std::string name_;
  std::vector<Operation*> operations_;
};

class FileDisk::Operation : public DiskThread::Job {
 public:
  Operation(FileDisk* disk, std::shared_ptr<Descriptor> descriptor)
      : disk_(disk), descriptor_(std::move(descriptor)) {
    id_ = disk_->operations_.Add(this);
    if (descriptor_ == nullptr) return;
    position_ = descriptor_->operations().size();
    descriptor_->operations().push_back(this);
  }
  ~Operation() override {
    disk_->operations_.Cancel(id_);
    if (descriptor_ == nullptr) return;
    // Moves the last operation here; their order has no meaning.
    std::vector<Operation*>& all = descriptor_->operations();
    all[position_] = all.back();
    all[position_]->position_ = position_;
    all.pop_back();
  }
  uint64_t id() const { return id_; }
  // The callback was cancelled.
  virtual void DropCallback() = 0;
  // Run was not called: the result is `status`.
  virtual void Refuse(absl::Status status) = 0;

 protected:
  FileDisk* const disk_;

 private:
  const std::shared_ptr<Descriptor> descriptor_;
  uint64_t id_ = 0;
  // Index in descriptor_->operations().
  size_t position_ = 0;
};

template <typename Result>
class FileDisk::OperationOf final : public Operation {
 public:
  OperationOf(FileDisk* disk, std::shared_ptr<Descriptor> descriptor,
              absl::AnyInvocable<Result()> run,
              absl::AnyInvocable<void(Result)> done)
      : Operation(disk, std::move(descriptor)),
        run_(std::move(run)),
        done_(std::move(done)) {}

  void Run() override { result_.emplace(run_()); }
  void Refuse(absl::Status status) override {
    result_.emplace(std::move(status));
  }
  void DropCallback() override { done_ = nullptr; }
  void Finish() override {
    // The callback has begun, so its Pending has no effect any more.
    disk_->operations_.Cancel(id());
    run_ = nullptr;
    absl::AnyInvocable<void(Result)> done = std::move(done_);
    done_ = nullptr;
    if (done) done(std::move(*result_));
  }

 private:
  absl::AnyInvocable<Result()> run_;
  absl::AnyInvocable<void(Result)> done_;
  std::optional<Result> result_;
};

class FileDisk::OpenFile final : public env::File {
 public:
  OpenFile(FileDisk* disk, std::shared_ptr<Descriptor> descriptor)
      : disk_(disk), descriptor_(std::move(descriptor)) {}
  ~OpenFile() override {
    for (Operation* operation : descriptor_->operations()) {
      operation->DropCallback();
    }
  }

  Pending Write(uint64_t offset, absl::Span<const Buffer> pieces,
                Durability durability, Done done) override {
    std::vector<Buffer> owned(pieces.begin(), pieces.end());
    std::vector<iovec> vectors;
    vectors.reserve(owned.size());
    size_t size = 0;
    for (const Buffer& piece : owned) {
      vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
      size += piece.size();
    }
    CHECK_LE(size, env::kDiskOperationBytesMax);
    const bool durable = durability == Durability::kDurable;
    // `owned` only keeps the bytes alive. The thread does not touch its
    // reference counts.
    return disk_->Do<absl::Status>(
        descriptor_->use(), descriptor_,
        [file = descriptor_.get(), owned = std::move(owned),
         vectors = std::move(vectors), offset, durable]() mutable {
          const int error = WriteFully(file->fd(), vectors, offset, durable);
          return error == 0 ? absl::OkStatus()
                            : FileError(error, "writing", file->name());
        },
        std::move(done));
  }

  Pending Read(uint64_t offset, size_t size, ReadDone done) override {
    CHECK_LE(size, env::kDiskReadBytesMax);
    char* bytes = nullptr;
    Buffer buffer = Buffer::Create(size, [&](char* block) { bytes = block; });
    // One reference is in the operation, for the thread to write to. The other
    // is in the callback, which may be destroyed earlier.
    return disk_->Do<absl::StatusOr<size_t>>(
        descriptor_->use(), descriptor_,
        [file = descriptor_.get(), buffer, bytes, size,
         offset]() -> absl::StatusOr<size_t> {
          const int64_t n = ReadFully(file->fd(), bytes, size, offset);
          if (n < 0) {
            return FileError(static_cast<int>(-n), "reading", file->name());
          }
          return static_cast<size_t>(n);
        },
        [buffer, done = std::move(done)](absl::StatusOr<size_t> n) mutable {
          if (!n.ok()) return done(n.status());
          done(buffer.Slice(0, *n));
        });
  }

  Pending Sync(Done done) override {
    return disk_->Do<absl::Status>(
        descriptor_->use(), descriptor_,
        [file = descriptor_.get()] {
          return fdatasync(file->fd()) == 0
                     ? absl::OkStatus()
                     : FileError(errno, "syncing", file->name());
        },
        std::move(done));
  }

  Pending Size(SizeDone done) override {
    return disk_->Do<absl::StatusOr<uint64_t>>(
        descriptor_->use(), descriptor_,
        [file = descriptor_.get()]() -> absl::StatusOr<uint64_t> {
          struct stat info;
          if (fstat(file->fd(), &info) != 0) {
            return FileError(errno, "reading the size of", file->name());
          }
          return static_cast<uint64_t>(info.st_size);
        },
        std::move(done));
  }

 private:
  FileDisk* const disk_;
  const std::shared_ptr<Descriptor> descriptor_;
};

FileDisk::FileDisk(EventLoop& loop, std::string directory, int directory_fd)
    : loop_(loop),
      directory_(std::move(directory)),
      directory_fd_(directory_fd),
      log_thread_(std::make_unique<DiskThread>(loop)),
      bulk_thread_(std::make_unique<DiskThread>(loop)) {}

bool FileDisk::WaitUntilIdle(Duration limit) {
  const MonoTime end = Clock::ReadMono() + limit;
  return log_thread_->WaitUntilIdle(limit) &&
         bulk_thread_->WaitUntilIdle(
             std::max(Duration(), end - Clock::ReadMono()));
}

FileDisk::~FileDisk() {
  closing_ = true;
  log_thread_.reset();
  bulk_thread_.reset();
  refused_.clear();
  close(directory_fd_);
}

absl::StatusOr<std::unique_ptr<FileDisk>> FileDisk::OpenDirectory(
    EventLoop& loop, const std::string& directory) {
  absl::Status made = MakeDirectories(directory);
  if (!made.ok()) return made;
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "opening directory", directory);
  if (faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    const int access = errno;
    close(fd);
    return FileError(access, "writing to directory", directory);
  }
  return std::unique_ptr<FileDisk>(new FileDisk(loop, directory, fd));
}

template <typename Result>
Pending FileDisk::Do(FileUse use, std::shared_ptr<Descriptor> descriptor,
                     absl::AnyInvocable<Result()> run,
                     absl::AnyInvocable<void(Result)> done) {
  auto operation = std::make_unique<OperationOf<Result>>(
      this, std::move(descriptor), std::move(run), std::move(done));
  const uint64_t id = operation->id();
  Submit(use, std::move(operation));
  return Pending(this, id);
}

DiskThread& FileDisk::ThreadOf(FileUse use) {
  return use == FileUse::kLog ? *log_thread_ : *bulk_thread_;
}

void FileDisk::Submit(FileUse use, std::unique_ptr<Operation> operation) {
  DiskThread& chosen = ThreadOf(use);
  if (!chosen.full()) {
    chosen.Submit(std::move(operation));
    return;
  }
  operation->Refuse(absl::UnavailableError(
      absl::StrCat("more than ", DiskThread::kJobsMax,
                   " disk operations are waiting in '", directory_, "'")));
  if (refused_.empty()) {
    refused_timer_ =
        loop_.At(loop_.ReadClock().mono, [this] { FinishRefused(); });
  }
  refused_.push_back(std::move(operation));
}

void FileDisk::FinishRefused() {
  const std::vector<std::unique_ptr<Operation>> refused =
      std::exchange(refused_, {});
  for (const std::unique_ptr<Operation>& operation : refused) {
    operation->Finish();
  }
}

void FileDisk::Cancel(uint64_t id) {
  Operation* operation = operations_.Take(id);
  if (operation != nullptr) operation->DropCallback();
}

// Counts while an operation may open a file. Destroyed on the loop's thread.
class FileDisk::Opening {
 public:
  explicit Opening(FileDisk* disk) : disk_(disk) { ++disk_->openings_; }
  Opening(Opening&& other) noexcept
      : disk_(std::exchange(other.disk_, nullptr)) {}
  Opening& operator=(Opening&&) = delete;
  ~Opening() {
    if (disk_ != nullptr) --disk_->openings_;
  }

 private:
  FileDisk* disk_;
};

// Closing a removed file frees its blocks, which takes time.
class FileDisk::Close final : public DiskThread::Job {
 public:
  // `last`: no other descriptor of the file is open.
  Close(FileDisk* disk, int fd, bool last)
      : disk_(disk), file_{{OwnedFd(fd)}}, last_(last) {}

  void Run() override {
    struct stat info;
    if (last_ && fstat(file_.opened.fd.get(), &info) == 0 &&
        info.st_nlink == 0) {
      file_.opened.inode = info.st_ino;
      file_.bytes = static_cast<uint64_t>(info.st_size);
    }
    if (file_.bytes <= kFreedAtOnceMax) file_.opened.fd = OwnedFd();
  }
  void Finish() override {
    if (file_.opened.fd.get() >= 0) disk_->FreeLater(std::move(file_));
  }

 private:
  FileDisk* const disk_;
  Freed file_;
  const bool last_;
};

void FileDisk::CloseLater(FileUse use, int fd, bool last) {
  if (closing_ || ThreadOf(use).full()) {
    close(fd);
  } else {
    ThreadOf(use).Submit(std::make_unique<Close>(this, fd, last));
  }
}

void FileDisk::FreeLater(Freed file) {
  // Its removal may have had a descriptor of its own.
  if (std::ranges::any_of(freed_, [&file](const Freed& other) {
        return other.opened.inode == file.opened.inode;
      })) {
    return;
  }
  freed_.push_back(std::move(file));
  if (freed_.size() == 1) FreeNext();
}

void FileDisk::FreeNext() {
  const auto files = static_cast<int64_t>(freed_.size());
  free_ =
      loop_.At(loop_.ReadClock().mono + Nanoseconds(kFreePause.ns() / files),
               [this] { FreePart(); });
}

void FileDisk::FreePart() {
  Freed& file = freed_.front();
  file.bytes -= std::min(file.bytes, kFreedPart);
  if (file.bytes == 0) {
    CloseLater(FileUse::kBulk, file.opened.fd.Release(), /*last=*/false);
    freed_.pop_front();
    if (!freed_.empty()) FreeNext();
    return;
  }
  free_ = Do<absl::Status>(
      FileUse::kBulk, nullptr,
      [fd = file.opened.fd.get(), bytes = file.bytes] {
        return ftruncate(fd, static_cast<off_t>(bytes)) == 0
                   ? absl::OkStatus()
                   : FileError(errno, "shortening", "a removed file");
      },
      [this](const absl::Status& status) {
        // Closing it frees it, too.
        if (!status.ok()) freed_.front().bytes = 0;
        FreeNext();
      });
}

Pending FileDisk::Open(std::string_view name, OpenMode mode, FileUse use,
                       OpenDone done) {
  CHECK(ValidName(name)) << "'" << name << "'";
  int flags = O_RDWR | O_CLOEXEC;
  if (mode == OpenMode::kCreate) flags |= O_CREAT | O_EXCL;
  if (mode == OpenMode::kCreateIfAbsent) flags |= O_CREAT;
  return Do<absl::StatusOr<Opened>>(
      use, nullptr,
      [fd = directory_fd_, name = std::string(name), flags,
       opening = Opening(this)]() -> absl::StatusOr<Opened> {
        Opened file{OwnedFd(openat(fd, name.c_str(), flags, 0640))};
        struct stat info;
        if (file.fd.get() < 0 || fstat(file.fd.get(), &info) != 0) {
          return FileError(errno, "opening", name);
        }
        file.inode = info.st_ino;
        return file;
      },
      [this, use, name = std::string(name),
       done = std::move(done)](absl::StatusOr<Opened> file) mutable {
        if (!file.ok()) return done(file.status());
        done(std::make_unique<OpenFile>(
            this, std::make_shared<Descriptor>(this, use, *std::move(file),
                                               std::move(name))));
      });
}

Pending FileDisk::List(ListDone done) {
  return Do<absl::StatusOr<std::vector<std::string>>>(
      FileUse::kBulk, nullptr, [fd = directory_fd_] { return ListFiles(fd); },
      std::move(done));
}

Pending FileDisk::Remove(std::string_view name, env::File::Done done) {
  CHECK(ValidName(name)) << "'" << name << "'";
  return Do<absl::StatusOr<Opened>>(
      FileUse::kBulk, nullptr,
      [fd = directory_fd_,
       name = std::string(name)]() -> absl::StatusOr<Opened> {
        // A file that cannot be opened is removed, too.
        Opened file{OwnedFd(openat(fd, name.c_str(), O_RDWR | O_CLOEXEC))};
        struct stat info;
        if (file.fd.get() >= 0 && fstat(file.fd.get(), &info) == 0) {
          file.inode = info.st_ino;
        }
        if (unlinkat(fd, name.c_str(), 0) == 0) return file;
        return FileError(errno, "removing", name);
      },
      [this, done = std::move(done)](absl::StatusOr<Opened> file) mutable {
        // Its end frees the file, unless that is open elsewhere.
        if (file.ok() && file->fd.get() >= 0) {
          Descriptor(this, FileUse::kBulk, *std::move(file), "");
        }
        done(file.ok() ? absl::OkStatus() : file.status());
      });
}

Pending FileDisk::Rename(std::string_view from, std::string_view to,
                         env::File::Done done) {
  CHECK(ValidName(from)) << "'" << from << "'";
  CHECK(ValidName(to)) << "'" << to << "'";
  return Do<absl::Status>(
      FileUse::kBulk, nullptr,
      [fd = directory_fd_, from = std::string(from), to = std::string(to)] {
        return renameat(fd, from.c_str(), fd, to.c_str()) == 0
                   ? absl::OkStatus()
                   : FileError(errno, "renaming", from);
      },
      std::move(done));
}

Pending FileDisk::SyncDirectory(env::File::Done done) {
  return Do<absl::Status>(
      FileUse::kBulk, nullptr,
      [this, fd = directory_fd_] {
        // The kernel reports an error once, perhaps to the sync of another
        // name. No later success can be relied on.
        if (directory_failed_) {
          return absl::UnavailableError("syncing directory " + directory_ +
                                        " failed before");
        }
        if (fsync(fd) == 0) return absl::OkStatus();
        directory_failed_ = true;
        return FileError(errno, "syncing directory", directory_);
      },
      std::move(done));
}

Pending FileDisk::FreeBytes(env::File::SizeDone done) {
  return Do<absl::StatusOr<uint64_t>>(
      FileUse::kBulk, nullptr,
      [fd = directory_fd_,
       directory = directory_]() -> absl::StatusOr<uint64_t> {
        const auto info = FileSystemOf(fd, directory);
        if (!info.ok()) return info.status();
        return uint64_t{info->f_bavail} * info->f_frsize;
      },
      std::move(done));
}

Pending FileDisk::SizeBytes(env::File::SizeDone done) {
  return Do<absl::StatusOr<uint64_t>>(
      FileUse::kBulk, nullptr,
      [fd = directory_fd_,
       directory = directory_]() -> absl::StatusOr<uint64_t> {
        const auto info = FileSystemOf(fd, directory);
        if (!info.ok()) return info.status();
        return uint64_t{info->f_blocks} * info->f_frsize;
      },
      std::move(done));
}

Pending FileDisk::Lock(std::string_view name, env::File::Done done) {
  CHECK(ValidName(name)) << "'" << name << "'";
  const std::string key(name);
  if (locks_.contains(key)) {
    return Do<absl::Status>(
        FileUse::kBulk, nullptr, [] { return absl::OkStatus(); },
        std::move(done));
  }
  return Do<absl::StatusOr<OwnedFd>>(
      FileUse::kBulk, nullptr,
      [fd = directory_fd_, key, directory = directory_] {
        return LockFile(fd, key, directory);
      },
      [this, key, done = std::move(done)](absl::StatusOr<OwnedFd> fd) mutable {
        if (!fd.ok()) return done(fd.status());
        locks_[key] = std::move(*fd);
        done(absl::OkStatus());
      });
}

}  // namespace quorate::net
