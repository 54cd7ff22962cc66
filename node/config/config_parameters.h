// node/config/config_parameters.h: the parameters of CONFIG GET and CONFIG SET,
// as names and values that are made once for each kind of address.
//
// A configuration does not change while a node runs. Few values may: the memory
// limit and the files of the certificate, which the caller knows. The first use
// makes all names and values. Most runs of a node receive no such command.
#ifndef QUORATE_NODE_CONFIG_CONFIG_PARAMETERS_H_
#define QUORATE_NODE_CONFIG_CONFIG_PARAMETERS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "node/config/config.h"

namespace quorate::node {

// Immutable to its callers. Invariant: the names are in ascending order, each
// once.
class ConfigParameters {
 public:
  // The state that CONFIG SET changes.
  enum class Live : uint8_t {
    kNothing,
    kMemoryLimit,  // That of the memory budget.
    kCertificate,  // The rest: names of env::CertificateFiles.
    kKey,
    kCa,
  };
  struct Parameter {
    std::string name;
    std::string value;  // Empty unless kNothing.
    Live live = Live::kNothing;
  };

  // `cluster`: for the address of cluster clients, not of plain ones. Requires:
  // `config` is complete, does not change and outlives the object.
  ConfigParameters(const Config& config, bool cluster)
      : config_(config), cluster_(cluster) {}

  // Never empty.
  const std::vector<Parameter>& all() const {
    if (all_.empty()) Make();
    return all_;
  }
  // Returns null for an unknown name. Names are in lower case.
  const Parameter* Find(std::string_view name) const;

 private:
  void Make() const;

  const Config& config_;
  const bool cluster_;
  mutable std::vector<Parameter> all_;  // Empty before its first use.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_CONFIG_PARAMETERS_H_
