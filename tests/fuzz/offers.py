"""Offers of calls, as a browser and as aiortc make them; no address in them leads anywhere."""

# Longer lines are theirs.
# ruff: noqa: E501

CHROMIUM = """\
v=0
o=- 2948779699479321647 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:2693061732 1 udp 2113937151 f18a82ac-db29-4191-bd89-6c61d644dbc1.local 32909 typ host generation 0 network-cost 999
a=candidate:1809980804 1 udp 2113942271 64312858-6955-4e66-a12d-71ee8b20f3b0.local 36346 typ host generation 0 network-cost 999
a=ice-ufrag:4Lnh
a=ice-pwd:z4kKcv1vI2NChEaYTuEjahnp
a=ice-options:trickle
a=fingerprint:sha-256 81:C7:0F:B8:78:4E:5C:FA:72:F0:5B:63:AF:4D:01:8A:77:19:F5:1E:5B:94:2D:18:EF:88:7F:87:86:B4:C7:8C
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:- ac2c625b-dc92-476e-bce3-ff326b3d5fa6
a=rtcp-mux
a=rtcp-rsize
a=rtcp-xr:rcvr-rtt=all
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2805911315 cname:plBoI9S0DBNxSFEV
a=ssrc:2805911315 msid:- ac2c625b-dc92-476e-bce3-ff326b3d5fa6
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=candidate:2693061732 1 udp 2113937151 f18a82ac-db29-4191-bd89-6c61d644dbc1.local 36894 typ host generation 0 network-cost 999
a=candidate:1809980804 1 udp 2113942271 64312858-6955-4e66-a12d-71ee8b20f3b0.local 37661 typ host generation 0 network-cost 999
a=ice-ufrag:4Lnh
a=ice-pwd:z4kKcv1vI2NChEaYTuEjahnp
a=ice-options:trickle
a=fingerprint:sha-256 81:C7:0F:B8:78:4E:5C:FA:72:F0:5B:63:AF:4D:01:8A:77:19:F5:1E:5B:94:2D:18:EF:88:7F:87:86:B4:C7:8C
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
"""

AIORTC = """\
v=0
o=- 4004911718 4004911718 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic:WMS *
m=audio 52489 UDP/TLS/RTP/SAVPF 96 9 0 8
c=IN IP4 127.0.0.1
a=sendrecv
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=mid:0
a=msid:38857f15-448a-40b7-a655-46d169621909 711587f2-294b-47c4-b235-009dee12770a
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=ssrc:1990763115 cname:46a16eb8-ba5b-488f-bad5-dcdc0a301306
a=rtpmap:96 opus/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=candidate:f957a2332b1715da3b0ef8ba684454eb 1 udp 2130706431 127.0.0.1 52489 typ host
a=candidate:d0bcf3d9c29a2bc887618212a1623bfa 1 udp 2130706431 ::1 48171 typ host
a=end-of-candidates
a=ice-ufrag:uzur
a=ice-pwd:iuIjDJ1v37mH61MlcvLO93
a=fingerprint:sha-256 D9:BA:4B:A0:16:70:D1:41:52:56:42:37:63:B0:EB:AA:73:EF:CD:FF:48:99:E7:FD:D4:0F:86:85:66:16:26:05
a=setup:actpass
m=application 53457 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 127.0.0.1
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
a=candidate:f957a2332b1715da3b0ef8ba684454eb 1 udp 2130706431 127.0.0.1 53457 typ host
a=candidate:d0bcf3d9c29a2bc887618212a1623bfa 1 udp 2130706431 ::1 56166 typ host
a=end-of-candidates
a=ice-ufrag:uzur
a=ice-pwd:iuIjDJ1v37mH61MlcvLO93
a=fingerprint:sha-256 D9:BA:4B:A0:16:70:D1:41:52:56:42:37:63:B0:EB:AA:73:EF:CD:FF:48:99:E7:FD:D4:0F:86:85:66:16:26:05
a=setup:actpass
"""
