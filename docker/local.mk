# `make check-docker` builds the image with a real engine, runs it, and finds containers' packets.
EXTRA_DIST += \
	docker/.env \
	docker/Dockerfile \
	docker/Dockerfile.dockerignore \
	docker/README.md \
	docker/base.sh \
	docker/check.sh \
	docker/docker-compose.yml \
	docker/grafana/provisioning/dashboards/packet-exporter.yml \
	docker/grafana/provisioning/datasources/prometheus.yml \
	docker/kubernetes/daemonset.yaml \
	docker/kubernetes/kustomization.yaml \
	docker/kubernetes/namespace.yaml \
	docker/kubernetes/podmonitor.yaml \
	docker/kubernetes/quota.yaml \
	docker/prometheus/prometheus.yml \
	docker/root.sh \
	docker/services.sh \
	docker/storm.sh \
	docker/test-images/Dockerfile \
	docker/test-images/docker-compose.build.yml

# Installed by `make install` and packages, too: dashboards and rules. Listed here alone.
dashboardsdir = $(pkgdatadir)/grafana
dist_dashboards_DATA = docker/grafana/dashboards/packet-exporter.json
rulesdir = $(pkgdatadir)/prometheus
dist_rules_DATA = \
	docker/prometheus/packet-exporter.alerts.yml \
	docker/prometheus/packet-exporter.rules.yml
