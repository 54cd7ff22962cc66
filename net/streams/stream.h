// net/streams/stream.h: one TCP byte stream as an env::Connection.
//
// Reading allocates nothing. Bytes written during a turn leave in one gathered
// send at its end.
#ifndef QUORATE_NET_STREAMS_STREAM_H_
#define QUORATE_NET_STREAMS_STREAM_H_

#include <memory>
#include <string>

#include "env/byte_streams.h"
#include "net/disk/posix_file.h"
#include "net/streams/stream_poller.h"

namespace quorate::net {

// Takes ownership of a connected socket. `poller` must outlive the connection.
// At the end of a turn, streams that this process dialled send first: other
// nodes work while the turn sends to its clients.
std::unique_ptr<env::Connection> MakeConnection(StreamPoller& poller,
                                                OwnedFd socket,
                                                std::string peer_address,
                                                bool dialed);

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_STREAM_H_
