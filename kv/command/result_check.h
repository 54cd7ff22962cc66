// kv/command/result_check.h: whether results that another process made can be
// those of a batch of commands.
#ifndef QUORATE_KV_COMMAND_RESULT_CHECK_H_
#define QUORATE_KV_COMMAND_RESULT_CHECK_H_

#include <cstdint>
#include <string_view>

namespace quorate::kv {

// True if `results` are complete results of the first `count` commands of
// `batch`, and each has a payload of a kind that its command returns. Also true
// if they say that the batch was refused as malformed. Values are not checked.
bool ResultsAnswer(std::string_view results, std::string_view batch,
                   uint32_t count);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_RESULT_CHECK_H_
