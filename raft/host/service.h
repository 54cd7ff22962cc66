// raft/host/service.h: which part of a node a message is for.
//
// The first byte of a message names its service. Behind it each service has a
// checksum, whose seed has the link and the service. So a message that reaches
// the wrong node or the wrong service is refused.
#ifndef QUORATE_RAFT_HOST_SERVICE_H_
#define QUORATE_RAFT_HOST_SERVICE_H_

#include <cstdint>
#include <string_view>

#include "env/crc32c.h"
#include "env/ids.h"

namespace quorate::raft {

enum class Service : uint8_t {
  kReplicas = 1,  // envelope.h
  kFounding = 2,  // founding.h
  kNodes = 3,     // The program around the host: Host::SetReceiver.
};

// Bytes of the service and of the checksum behind it.
inline constexpr size_t kServiceBytes = 1;
inline constexpr size_t kChecksumEnd = kServiceBytes + sizeof(uint32_t);

struct MessageLink {
  ClusterId cluster;
  NodeId from;
  NodeId to;
};

inline bool IsFor(Service service, std::string_view message) {
  return !message.empty() && static_cast<Service>(message[0]) == service;
}

inline uint32_t ChecksumSeed(const MessageLink& link, Service service) {
  const char byte = static_cast<char>(service);
  return Crc32c(
      Crc32cSeed(link.cluster.value(), link.from.value(), link.to.value()),
      std::string_view(&byte, 1));
}

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_SERVICE_H_
