"""The dashboards as code: `build.py` writes them to dashboards/, from where Grafana reads them."""
