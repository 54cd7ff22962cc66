// bench/memory_server.cc: SET and GET on a map in memory, with one epoll loop,
// without copies and without a disk. Its throughput is the bound that the
// kernel's sockets set for any server on this machine beside this load.
//
// Usage: memory_server PORT. It accepts every client and does not validate its
// input.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr int kEventsMax = 256;
constexpr size_t kReadBytes = 64 << 10;

// Removes "$5\r\n" or "*3\r\n" from the front of `in` and returns its number.
bool CutNumber(std::string_view* in, size_t* number) {
  const size_t end = in->find('\n');
  if (end == std::string_view::npos) return false;
  std::from_chars(in->data() + 1, in->data() + end, *number);
  in->remove_prefix(end + 1);
  return true;
}

bool CutRequest(std::string_view* in, std::vector<std::string_view>* request) {
  std::string_view rest = *in;
  size_t count = 0;
  if (!CutNumber(&rest, &count)) return false;
  request->clear();
  for (size_t i = 0; i < count; ++i) {
    size_t size = 0;
    if (!CutNumber(&rest, &size) || rest.size() < size + 2) return false;
    request->push_back(rest.substr(0, size));
    rest.remove_prefix(size + 2);
  }
  *in = rest;
  return true;
}

class Server {
 public:
  explicit Server(uint16_t port);
  void Run();

 private:
  void OnReadable(int fd);
  void Answer();

  const int listener_;
  const int epoll_;
  std::unordered_map<std::string, std::string> map_;
  std::unordered_map<int, std::string> partial_;
  std::vector<std::string_view> request_;
  std::string out_;
};

Server::Server(uint16_t port)
    : listener_(socket(AF_INET, SOCK_STREAM, 0)), epoll_(epoll_create1(0)) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
          0 ||
      listen(listener_, 1024) != 0) {
    std::perror("cannot listen");
    std::exit(1);
  }
  epoll_event event = {.events = EPOLLIN, .data = {.fd = listener_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

void Server::Run() {
  epoll_event events[kEventsMax];
  while (true) {
    const int ready = epoll_wait(epoll_, events, kEventsMax, -1);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.fd != listener_) {
        OnReadable(events[i].data.fd);
        continue;
      }
      const int fd = accept(listener_, nullptr, nullptr);
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }
  }
}

void Server::OnReadable(int fd) {
  static char bytes[kReadBytes];
  ssize_t size;
  do {
    size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (size == 0) {
      close(fd);
      partial_.erase(fd);
    }
    if (size <= 0) return;
    std::string_view in(bytes, static_cast<size_t>(size));
    std::string& partial = partial_[fd];
    std::string joined;
    if (!partial.empty()) {
      joined = std::move(partial);
      joined.append(in);
      in = joined;
    }
    out_.clear();
    while (CutRequest(&in, &request_)) Answer();
    partial.assign(in);
    send(fd, out_.data(), out_.size(), MSG_NOSIGNAL);
  } while (static_cast<size_t>(size) == sizeof(bytes));
}

void Server::Answer() {
  if (request_.size() == 3) {
    map_[std::string(request_[1])] = request_[2];
    out_ += "+OK\r\n";
  } else if (request_.size() == 2) {
    const std::string& value = map_[std::string(request_[1])];
    out_ += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  } else {
    out_ += "+PONG\r\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: memory_server PORT\n");
    return 2;
  }
  Server(static_cast<uint16_t>(std::atoi(argv[1]))).Run();
}
