// node/cluster/cache_file.h: a small file in the directory of a node, with what
// it knew at its last stop.
//
// A damaged file, or one of another cluster, counts as none. One operation on
// the file runs at a time. After an error the file is left alone.
#ifndef QUORATE_NODE_CLUSTER_CACHE_FILE_H_
#define QUORATE_NODE_CLUSTER_CACHE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"

namespace quorate::node {

// A body behind the head that all these files have. The head has the magic
// number, the version, the size and checksum of the rest, and the cluster.
std::string FrameCache(uint32_t magic, ClusterId cluster,
                       std::string_view body);
// The body. Empty for bytes of another cluster, or of a damaged file. Bytes
// behind the body, of an earlier and longer file, are ignored.
std::string_view BodyOfCache(uint32_t magic, ClusterId cluster,
                             std::string_view bytes);

class CacheFile {
 public:
  // `env` and `name` outlive the object. Bytes beyond `size_bytes_max` are
  // neither read nor written.
  CacheFile(env::Env& env, const char* name, size_t size_bytes_max)
      : env_(env), name_(name), size_bytes_max_(size_bytes_max) {}
  CacheFile(const CacheFile&) = delete;
  CacheFile& operator=(const CacheFile&) = delete;

  // Calls `done` with all bytes; empty: there is no file, or it cannot be read.
  void Read(absl::AnyInvocable<void(std::string_view bytes)> done);
  // Writes the bytes, unless they are those of the last call, and calls `done`.
  // Requires: no operation is under way.
  void Write(std::string bytes, absl::AnyInvocable<void()> done);

 private:
  void OnWritten(const absl::Status& status);

  env::Env& env_;
  const char* const name_;
  const size_t size_bytes_max_;
  std::unique_ptr<env::File> file_;  // Open during an operation.
  bool usable_ = false;  // It was read, and no operation on it failed.
  std::string written_;
  absl::AnyInvocable<void(std::string_view)> on_read_;
  absl::AnyInvocable<void()> on_written_;
  env::Pending operation_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_CACHE_FILE_H_
