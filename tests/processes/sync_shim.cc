// A library to be preloaded into quorated. It records when a token that a
// client wrote became durable, and when one is about to be sent.
//
// Lines of the file named by QUORATE_SYNC_TRACE (times of CLOCK_MONOTONIC,
// which all processes of a machine share):
//   sync NANOSECONDS TOKEN          a durable write of it has returned
//   send NANOSECONDS PORT TOKEN     it is about to be sent from this local port
//
// A token is "~token-" and ten digits, anywhere in the written or sent bytes.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr char kPrefix[] = "~token-";
constexpr size_t kPrefixBytes = sizeof(kPrefix) - 1;
constexpr size_t kDigits = 10;

using Tokens = std::vector<std::string>;

int TraceFile() {
  static const int fd = [] {
    const char* const path = getenv("QUORATE_SYNC_TRACE");
    if (path == nullptr) return -1;
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  }();
  return fd;
}

long long NowNs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

void Say(const std::string& lines) {
  if (lines.empty() || TraceFile() < 0) return;
  (void)!syscall(SYS_write, TraceFile(), lines.data(), lines.size());
}

void Collect(const char* bytes, size_t size, Tokens* tokens) {
  while (size >= kPrefixBytes + kDigits) {
    const char* const at =
        static_cast<const char*>(memmem(bytes, size, kPrefix, kPrefixBytes));
    if (at == nullptr) return;
    const size_t left = size - static_cast<size_t>(at - bytes);
    if (left < kPrefixBytes + kDigits) return;
    tokens->emplace_back(at + kPrefixBytes, kDigits);
    bytes = at + kPrefixBytes + kDigits;
    size = left - kPrefixBytes - kDigits;
  }
}

Tokens TokensIn(const iovec* pieces, int count) {
  // A token may be split across pieces.
  std::string whole;
  for (int i = 0; i < count; ++i) {
    whole.append(static_cast<const char*>(pieces[i].iov_base),
                 pieces[i].iov_len);
  }
  Tokens tokens;
  Collect(whole.data(), whole.size(), &tokens);
  return tokens;
}

void SaySynced(const Tokens& tokens) {
  const std::string prefix = "sync " + std::to_string(NowNs()) + " ";
  std::string lines;
  for (const std::string& token : tokens) lines += prefix + token + "\n";
  Say(lines);
}

void SaySending(int fd, const Tokens& tokens) {
  if (tokens.empty()) return;
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      address.sin_family != AF_INET) {
    return;
  }
  const std::string prefix = "send " + std::to_string(NowNs()) + " " +
                             std::to_string(ntohs(address.sin_port)) + " ";
  std::string lines;
  for (const std::string& token : tokens) lines += prefix + token + "\n";
  Say(lines);
}

// Tokens written to a file and not yet synced.
std::mutex g_mutex;
std::map<int, Tokens>& Unsynced() {
  static std::map<int, Tokens> unsynced;
  return unsynced;
}

ssize_t Written(int fd, const Tokens& tokens, ssize_t result, bool durable) {
  if (result <= 0) return result;
  if (durable) {
    SaySynced(tokens);
  } else {
    const std::lock_guard<std::mutex> lock(g_mutex);
    Tokens& unsynced = Unsynced()[fd];
    unsynced.insert(unsynced.end(), tokens.begin(), tokens.end());
  }
  return result;
}

int Sync(int fd, long call) {
  Tokens tokens;
  {
    const std::lock_guard<std::mutex> lock(g_mutex);
    tokens.swap(Unsynced()[fd]);
  }
  const int result = static_cast<int>(syscall(call, fd));
  if (result == 0) SaySynced(tokens);
  return result;
}

}  // namespace

extern "C" {

ssize_t pwritev2(int fd, const iovec* pieces, int count, off_t offset,
                 int flags) {
  const Tokens tokens = TokensIn(pieces, count);
  const ssize_t result =
      syscall(SYS_pwritev2, fd, pieces, count, offset, 0L, flags);
  return Written(fd, tokens, result, (flags & RWF_DSYNC) != 0);
}

ssize_t pwritev64v2(int fd, const iovec* pieces, int count, off_t offset,
                    int flags) {
  return pwritev2(fd, pieces, count, offset, flags);
}

int fdatasync(int fd) { return Sync(fd, SYS_fdatasync); }
int fsync(int fd) { return Sync(fd, SYS_fsync); }

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  SaySending(fd,
             TokensIn(message->msg_iov, static_cast<int>(message->msg_iovlen)));
  return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  const iovec piece = {const_cast<void*>(bytes), size};
  SaySending(fd, TokensIn(&piece, 1));
  return syscall(SYS_sendto, fd, bytes, size, flags, nullptr, 0);
}

}  // extern "C"
