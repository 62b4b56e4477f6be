// Datagrams over RDMA, for the tools: endpoints, how they are found, and registries of their names. (What
// other programs use is <rdpipe/rdpipe.h>.)
#pragma once

#include "datagram/datagram.h"
#include "datagram/find.h"
#include "datagram/name_listener.h"
#include "datagram/registration.h"
#include "datagram/registry.h"
#include "rdpipe/fabric_options.h"
