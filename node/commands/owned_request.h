// node/commands/owned_request.h: a request that outlives the bytes it was read
// from.
#ifndef QUORATE_NODE_COMMANDS_OWNED_REQUEST_H_
#define QUORATE_NODE_COMMANDS_OWNED_REQUEST_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "node/commands/command_table.h"

namespace quorate::node {

// A copy of the arguments of a request. All texts share one block of memory: a
// request may have a hundred thousand of them. Movable.
class OwnedRequest {
 public:
  OwnedRequest() = default;
  explicit OwnedRequest(Arguments request) {
    size_t size = 0;
    for (const std::string_view argument : request) size += argument.size();
    text_.reserve(size);
    arguments_.reserve(request.size());
    for (const std::string_view argument : request) {
      const char* const begin = text_.data() + text_.size();
      text_.insert(text_.end(), argument.begin(), argument.end());
      arguments_.emplace_back(begin, argument.size());
    }
  }
  OwnedRequest(OwnedRequest&&) = default;
  OwnedRequest& operator=(OwnedRequest&&) = default;

  bool empty() const { return arguments_.empty(); }
  Arguments view() const { return arguments_; }
  // The memory of the copy.
  size_t size_bytes() const {
    return text_.size() + arguments_.size() * sizeof(std::string_view);
  }

 private:
  std::vector<char> text_;
  std::vector<std::string_view> arguments_;  // Parts of text_.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_OWNED_REQUEST_H_
