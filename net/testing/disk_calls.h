// net/testing/disk_calls.h: records the system calls that a program makes on
// files, lets single ones fail or be short, and checks their order.
//
// Testonly. A program that links this library has its own versions of all
// functions of the C library that net/disk calls.
#ifndef QUORATE_NET_TESTING_DISK_CALLS_H_
#define QUORATE_NET_TESTING_DISK_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace quorate::net {

enum class DiskCallKind : uint8_t {
  kOpen,
  kOpenDirectory,
  kClose,
  kRead,
  kWrite,
  kDurableWrite,
  kSyncFile,
  kSyncDirectory,
  kRename,
  kRemove,
  kMakeDirectory,
  kSize,  // Or another fact about a file.
  kResize,
  kLock,
  kAccess,
  kList,  // Each step that lists a directory.
  kFreeSpace,
  // No call: the test was told that an append to the log is durable.
  kAcknowledgement,
};

struct DiskCall {
  DiskCallKind kind = DiskCallKind::kOpen;
  std::string name;  // The whole path, if the call is for a directory.
  std::string to;    // The new name of a renaming.
  bool creates = false;
  int fd = -1;
  uint64_t thread = 0;
  // When the call began and ended; all calls share one count.
  uint64_t begin = 0;
  uint64_t end = 0;
  int error = 0;
};

// Forgets the calls recorded so far.
void BeginRecordingDiskCalls();
// Returns the calls in the order in which they began.
std::vector<DiskCall> RecordedDiskCalls();
// The `nth` call of the kind from now on fails with `error`, without effect. A
// kClose that fails closes the file, as on Linux. 0: none fails.
void FailDiskCall(DiskCallKind kind, uint64_t nth, int error);
// Whether that call was made.
bool DiskCallFailed();
// Each read and each write transfers at most so many bytes. 0: no limit.
void ShortenDiskCalls(size_t bytes);
// Records that an append was acknowledged, all earlier ones before it.
void RecordAcknowledgement();

// Returns descriptions of the places where the calls of one process on the
// directory of a store break a rule:
//   - a file of the log is written only when its name and what other work wrote
//     are durable, and through one descriptor and one thread, which do nothing
//     else;
//   - an acknowledgement follows a durable write of the log that is younger
//     than the acknowledgement before;
//   - a file is renamed only when all of it is durable;
//   - a complete snapshot is removed only when the names of the others are
//     durable;
//   - a descriptor has one sync at a time, and no write after one that failed.
std::vector<std::string> CheckDiskCalls(const std::vector<DiskCall>& calls);

}  // namespace quorate::net

#endif  // QUORATE_NET_TESTING_DISK_CALLS_H_
