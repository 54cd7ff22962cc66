// env/forwarding_disk.h: a disk in front of another one, which changes some of
// its calls.
#ifndef QUORATE_ENV_FORWARDING_DISK_H_
#define QUORATE_ENV_FORWARDING_DISK_H_

#include <string_view>
#include <utility>

#include "env/disk.h"
#include "env/pending.h"

namespace quorate::env {

// Passes every call on. A derived class overrides those that it changes.
class ForwardingDisk : public Disk {
 public:
  // `disk` outlives the object.
  explicit ForwardingDisk(Disk& disk) : disk_(disk) {}

  using Disk::Open;
  Pending Open(std::string_view name, OpenMode mode, FileUse use,
               OpenDone done) override {
    return disk_.Open(name, mode, use, std::move(done));
  }
  Pending List(ListDone done) override { return disk_.List(std::move(done)); }
  Pending Remove(std::string_view name, File::Done done) override {
    return disk_.Remove(name, std::move(done));
  }
  Pending Rename(std::string_view from, std::string_view to,
                 File::Done done) override {
    return disk_.Rename(from, to, std::move(done));
  }
  Pending SyncDirectory(File::Done done) override {
    return disk_.SyncDirectory(std::move(done));
  }
  Pending FreeBytes(File::SizeDone done) override {
    return disk_.FreeBytes(std::move(done));
  }
  Pending SizeBytes(File::SizeDone done) override {
    return disk_.SizeBytes(std::move(done));
  }
  Pending Lock(std::string_view name, File::Done done) override {
    return disk_.Lock(name, std::move(done));
  }

 protected:
  ~ForwardingDisk() = default;

 private:
  Disk& disk_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_FORWARDING_DISK_H_
